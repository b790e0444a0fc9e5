"""Several networks that predict together."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from segbench.data.input_format import InputFormat
from segbench.data.pictures import open_picture
from segbench.errors import CheckpointError, ConfigError
from segbench.masks import MaskKey
from segbench.prediction.ensemble import Ensemble, name_together, runs_of_row
from segbench.runs.directory import SCHEMA
from segbench.runs.files import write_json


def test_the_mean_of_the_probabilities_decides(reader, tmp_path, classes):
    Image.fromarray(classes * 64).save(tmp_path / "a.png")
    picture = open_picture(tmp_path / "a.png", reader().inputs)
    members = {"a": reader(sure=0.7), "b": reader(sure=0.4), "c": reader(sure=0.55)}
    found = Ensemble.of(members).probabilities(picture)
    expected = np.mean([member.probabilities(picture) for member in members.values()], axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(Ensemble.of(members).masks(found)[0], classes)
    assert Ensemble.of({"a": members["a"]}) is members["a"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"key": MaskKey(("background", "cell", "x", "debris"))}, "the classes"),
        ({"stored": (0, 9, 8, 7)}, "the masks"),
        ({"objects": (1,)}, "the objects"),
        ({"inputs": InputFormat("grey", 1, size=(8, 8))}, "the input"),
    ],
)
def test_networks_that_disagree_are_refused_by_their_names(reader, change, words):
    message = f"^run: one and two differ in {words}, so they cannot predict together$"
    with pytest.raises(ConfigError, match=message):
        Ensemble.of({"one": reader(), "two": replace(reader(), **change)})


def make_run(folder, name, seed=0, state="done", model="unet"):
    path = folder / name
    (path / "checkpoints").mkdir(parents=True)
    (path / "checkpoints" / "best.ckpt").touch()
    choices = {"model": model, "data": "folder", "callbacks": "default"}
    write_json(path / "run.json", {"schema": SCHEMA, "experiment": "x", "seed": seed, "choices": choices})
    write_json(path / "status.json", {"state": state})
    settings = {"seed": seed, "comparison": None, "model": {"width": 16}, "data": {"fold": seed, "ignore": None}}
    (path / "config.yaml").write_text(yaml.safe_dump(settings))
    return path


@pytest.fixture
def experiment(tmp_path):
    folder = tmp_path / "networks"
    for seed in range(2):
        make_run(folder, f"unet-{seed}", seed)
        make_run(folder, f"attunet-{seed}", seed, model="attunet")
    make_run(folder, "unet-2", 2, state="failed")
    (folder / "notes").mkdir()
    return folder


def test_a_row_is_the_finished_runs_of_one_configuration(experiment):
    found = runs_of_row(experiment, ["model=unet"])
    assert [path.name for path in found] == ["unet-0", "unet-1"]
    assert runs_of_row(experiment, ["model=unet", "model.width=16", "data.ignore=null"]) == found


def test_averaged_weights_are_another_row_and_other_pictures_are_not(experiment):
    own = {
        "unet-0": ("default", {"panels": {"every": 1}}),
        "unet-1": ("panels", {"panels": {"every": 2}}),
        "average": ("ema", {"panels": {"every": 1}, "ema": {"decay": 0.999}}),
    }
    make_run(experiment, "average", 0)
    for name, (choice, callbacks) in own.items():
        identity = json.loads((experiment / name / "run.json").read_text())
        identity["choices"]["callbacks"] = choice
        write_json(experiment / name / "run.json", identity | {"unchanging": ["callbacks.panels"]})
        settings = yaml.safe_load((experiment / name / "config.yaml").read_text())
        (experiment / name / "config.yaml").write_text(yaml.safe_dump(settings | {"callbacks": callbacks}))
    with pytest.raises(
        ConfigError, match=r"differ in callbacks \(default, ema and panels\); .* row=\[model=unet,callbacks="
    ):
        runs_of_row(experiment, ["model=unet"])
    for row, names in {"callbacks=ema": ["average"], "callbacks.ema.decay=null": ["unet-0", "unet-1"]}.items():
        assert [path.name for path in runs_of_row(experiment, ["model=unet", row])] == names


def test_a_row_that_is_none_is_refused_in_one_line(experiment, tmp_path):
    with pytest.raises(ConfigError) as error:
        runs_of_row(experiment, [])
    assert str(error.value) == (
        f"ensemble={experiment}: its runs differ in model (attunet and unet); choose one row, for example"
        " row=[model=attunet]"
    )
    wide = make_run(experiment, "wide")
    (wide / "config.yaml").write_text((wide / "config.yaml").read_text().replace("width: 16", "width: 32"))
    with pytest.raises(ConfigError, match=r"differ in model.width \(16 and 32\).*row=\[model=unet,model.width=16\]$"):
        runs_of_row(experiment, ["model=unet"])
    text = (experiment / "attunet-1" / "config.yaml").read_text()
    for seed in range(2):
        own = f"trainer: {{sync_batchnorm: false, devices: {seed + 1}}}\n"
        (experiment / f"attunet-{seed}" / "config.yaml").write_text(text + own)
    with pytest.raises(ConfigError, match=r"differ in trainer.processes \(1 and 2\)"):
        runs_of_row(experiment, ["model=attunet"])
    with pytest.raises(ConfigError, match=r"no finished run has model=segnet; model is attunet and unet$"):
        runs_of_row(experiment, ["model=segnet"])
    with pytest.raises(ConfigError, match=r"^row=unet: write the settings of the row"):
        runs_of_row(experiment, ["unet"])
    with pytest.raises(CheckpointError, match=r"nowhere: no such folder"):
        runs_of_row(tmp_path / "nowhere", [])
    with pytest.raises(CheckpointError, match=r"no finished run there"):
        runs_of_row(experiment / "notes", [])


def test_what_runs_predict_together_is_named_for_them():
    of = "phantom-unet-dice-seed{}-{:x}".format
    runs = [Path("outputs/x") / of(seed, 0xABC + seed) for seed in (0, 1, 2)]
    assert name_together(runs, ["model=unet", "data.root=/my data"]) == "model=unet,data.root=-my-data"
    assert name_together(runs[:1], []) == ""
    name = name_together(runs, [])
    assert re.fullmatch("phantom-unet-dice-3-runs-[0-9a-f]{6}", name)
    assert name_together(runs[::-1], []) == name
    others = [Path("outputs/x") / of(seed, 0xFFF + seed) for seed in (0, 1, 2)]
    assert name_together(others, []) != name
    mixed = [runs[0], Path("outputs/x/phantom-attunet-dice-seed0-ab/checkpoints/best.ckpt")]
    assert name_together(mixed, []).startswith("phantom-attunet-dice+phantom-unet-dice-2-runs-")
