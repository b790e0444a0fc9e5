"""Fake run directories, written by the contract and by nothing of the trainer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scored import store

from segbench.commands.report import main
from segbench.reporting.figures import FIGURES, draw_all
from segbench.runs.bounded import YAML_END, YAML_START
from segbench.runs.directory import SCHEMA
from segbench.runs.split_scores import About

CLASSES = ("background", "disc", "ring")
# Ten times as fast, where PyYAML was built with it.
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
WRITTEN: dict[tuple[int, int], bytes] = {}


def counts_table(dice: dict[str, tuple[int, int, int]], images: int, pixels: int = 1000) -> pd.DataFrame:
    """Rows of scores.parquet: every image of a split has the given (tp, fp, fn) per foreground class."""
    rows = []
    for split in ("val", "test"):
        for image in range(images):
            for index, name in enumerate(CLASSES):
                tp, fp, fn = dice[name] if index else (600, 30, 20)
                row = {"split": split, "id": f"{split}{image}", "group": f"g{image // 2}", "height": 20, "width": 50}
                row |= {"class_index": index, "class_name": name, "tp": tp, "fp": fp, "fn": fn}
                rows.append(row | {"tn": pixels - tp - fp - fn})
    return pd.DataFrame(rows).sample(frac=1, random_state=0)


class Maker:
    """Writes run directories below ``root``/<experiment>."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.comparison: dict[str, Any] | None = None

    def __call__(
        self,
        model: str = "unet",
        seed: int = 0,
        tp: int = 90,
        state: str = "done",
        reason: str | None = None,
        **more: Any,
    ) -> Path:
        """Write one run; ``more``: experiment, config (merged), choices (merged), images, cost, name, overrides,
        fingerprint, content, split, frequencies (of the classes), groups (of each split), curves (columns of metrics.csv).
        """
        experiment = more.get("experiment", "carvana/architectures")
        name = more.get("name", f"fake-{model}-dice-seed{seed}")
        folder = self.root / experiment / name
        (folder / "figures").mkdir(parents=True)
        choices = {"data": "fake", "model": model, "loss": "dice", "hydra/launcher": "basic"} | more.get("choices", {})
        overrides = more.get("overrides", [f"model={model}", f"seed={seed}"])
        identity = {"schema": SCHEMA, "id": name, "name": name, "experiment": experiment, "seed": seed}
        self._json(folder / "run.json", identity | {"choices": choices, "overrides": overrides})
        config: dict[str, Any] = {
            "seed": seed,
            "model": {"_target_": f"fake.{model}", "width": 64},
            "optimizer": {"lr": 0.001},
            "data": {"batch_size": 4, "root": f"/somewhere/{seed}", "split_seed": 0, "size": [20, 50]},
            "trainer": {"max_epochs": 5, "seed": seed},
            "paths": {"outputs": str(self.root)},
            "freeze": None,
            "comparison": self.comparison,
        }
        for key, value in more.get("config", {}).items():
            group, _, leaf = key.rpartition(".")
            (config[group] if group else config)[leaf] = value
        (folder / "config.yaml").write_text(YAML_START + yaml.dump(config, Dumper=DUMPER) + YAML_END)
        status = {"state": state, "reason": reason, "exit_code": 0 if state == "done" else None, "attempts": 1}
        status |= {
            "started": f"2026-01-01T00:00:0{seed}+00:00",
            "finished": "2026-01-01T01:00:00+00:00",
            "host": "elsewhere",
        }
        self._json(folder / "status.json", status)
        curve = {"epoch": range(5), "train/loss": np.linspace(1, 0.2, 5), "val/loss": np.linspace(1, 0.3, 5)}
        curves = pd.DataFrame(more.get("curves") or curve | {"val/dice": np.linspace(0.5, tp / 100, 5)})
        curves.to_csv(folder / "metrics.csv", index=False)
        if state == "done":
            self._scores(folder / "scores.parquet", tp, more.get("images", 4))
            cost = {"parameters": 34527041, "flops_per_image": 83_000_000_000, "train_images_per_second": 1.25}
            cost |= {"predict_images_per_second": 4.0, "peak_memory_bytes": 2**31, "wall_seconds": 252.0}
            cost |= {"device": "Fake CPU", "threads": 1, "precision": "32-true"} | more.get("cost", {})
            git = {"commit": "abcdef0123456789", "dirty": False} | more.get("git", {})
            summary = {"cost": cost, "git": git, "versions": {"torch": "2.13.0"}, "seed": seed}
            summary["epochs"] = len(curves)
            if told := {key: more[key] for key in ("fingerprint", "content", "split") if key in more}:
                summary["data"] = told
            if "frequencies" in more:
                shares = dict(zip(CLASSES, more["frequencies"], strict=False))
                summary["data"] = {"name": "fake", "images": {"train": 8}, "class_frequencies": shares}
            if "groups" in more:
                summary["data"] = summary.get("data", {}) | {"groups": more["groups"]}
            self._json(folder / "summary.json", summary)
        return folder

    @staticmethod
    def _scores(path: Path, tp: int, images: int) -> None:
        """Write the counts; a hundred runs have the same ones, which are written once."""
        if (tp, images) not in WRITTEN:
            counts = counts_table({"disc": (tp, 10, 10), "ring": (50, 50, 50)}, images)
            store(path, counts, About("segmentation"))
            WRITTEN[tp, images] = path.read_bytes()
        path.write_bytes(WRITTEN[tp, images])

    @staticmethod
    def _json(path: Path, value: Any) -> None:
        path.write_text(json.dumps(value))


def asking(maker: Maker) -> Maker:
    """Return the maker with a comparison of networks and a published figure for one of them."""
    maker.comparison = {
        "question": "Is attention worth its weights?",
        "factors": ["model"],
        "metric": "dice",
        "split": "test",
        "published": [{"where": {"model": "unet"}, "metric": "dice", "value": 0.75, "source": "report X, table 1"}],
        "claims": [],
        "differences": {"cars": "12 cars instead of 318"},
    }
    return maker


@pytest.fixture
def make_run(tmp_path: Path) -> Maker:
    return Maker(tmp_path / "outputs")


@pytest.fixture
def architectures(make_run: Maker) -> Maker:
    """A comparison of networks with a published figure for one of them."""
    return asking(make_run)


@pytest.fixture(scope="module")
def shared_architectures(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """The same, for tests of one file that only read."""
    return asking(Maker(tmp_path_factory.mktemp("shared") / "outputs"))


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[Any, str, str]]:
    """Run report.py's command line in this process: exit code, stdout, stderr."""

    def run(*arguments: Any) -> tuple[Any, str, str]:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the figures out, which are most of a report's time, where a test is about something else."""
    monkeypatch.setattr("segbench.reporting.page.draw_all", lambda *_, **__: [])


@pytest.fixture
def few_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the curves and what is not ours alone, where a test is about what becomes of figures."""

    def drawn(comparison: Any, evidence: Any, folder: Path, figures: Any = FIGURES) -> Any:
        few = [spec for spec in figures if spec not in FIGURES or spec.file == "curves.png"]
        return draw_all(comparison, evidence, folder, figures=few)

    monkeypatch.setattr("segbench.reporting.page.draw_all", drawn)


@pytest.fixture
def no_power(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the smallest difference that a design finds, three quarters of the time that evidence takes."""
    monkeypatch.setattr("segbench.reporting.statistics.outlook.detectable", lambda *_, **__: 0.02)
