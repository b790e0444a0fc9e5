"""What cases begin with: generated data and runs. Each is made once and then copied."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

from campaign import program
from campaign.scenes import SCENES

# Trains within a second.
TINY = (
    "data.batch_size=3",
    "trainer.accelerator=cpu",
    "trainer.progress=lines",
    "~callbacks.panels",
)
PHANTOM = ("data.subjects=8", "data.slices=2", "data.size=[32,32]", "model.width=2", *TINY)
# Would be in no file that a command leaves behind, whatever it is asked for.
SECRETS = {
    "WANDB_API_KEY": "canary0wandb0d41d8cd98f00b204e9800998ecf8427e",
    "AWS_SECRET_ACCESS_KEY": "canary0aws0d41d8cd98f00b204e9800998ecf8427e",
    "HF_TOKEN": "canary0hf0d41d8cd98f00b204e9800998ecf8427e",
    # That of tests/hostile_checkpoints.py.
    "SEGBENCH_SECRET": "secret-1f0c9",
}


def environment(here: Path) -> dict[str, str]:
    """Return the environment of commands: nothing of the user's, canaries for secrets, and homes of their own."""
    inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG")}
    # As careless as can be: what somebody sent can be imported.
    path = [os.environ.get("PYTHONPATH", ""), str(here / "sent")]
    for name in ("home", "tmp"):
        (here / name).mkdir(exist_ok=True)
    return (
        inherited
        | SECRETS
        | {
            "PYTHONPATH": os.pathsep.join(entry for entry in path if entry),
            "HOME": str(here / "home"),
            "TMPDIR": str(here / "tmp"),
            "MPLCONFIGDIR": mpl.get_cachedir(),
            "SEGBENCH_DATA": str(here),
            "WANDB_MODE": "offline",
            "WANDB_SILENT": "true",
            "NO_ALBUMENTATIONS_UPDATE": "1",
            "OMP_NUM_THREADS": "1",
            "MPLBACKEND": "Agg",
            "PYTHONWARNINGS": "ignore",
        }
    )


def place(here: Path, **options: object) -> program.Place:
    """Return where commands of a case run: beside what it was given."""
    (here / "work").mkdir(exist_ok=True)
    return program.Place(here / "work", environment(here), here / "said", **options)  # type: ignore[arg-type]


def _finished(here: Path, *overrides: str) -> None:
    done = program.run(["run.py", f"paths.outputs={here}/outputs", *overrides], place(here, seconds=120))
    if done.code != 0:
        raise RuntimeError(f"a run to begin with failed ({done.code}): {done.err[-2000:]}")


def run(here: Path) -> None:
    """A finished run on grey images."""
    _finished(here, *PHANTOM, "trainer.max_epochs=2")


def colour_run(here: Path) -> None:
    """A finished run on colour images."""
    SCENES["carvana"](here)
    _finished(here, "data=carvana", "data.size=[24,32]", "model.width=2", *TINY, "trainer.max_epochs=1")


def volume_run(here: Path) -> None:
    """A finished run on volumes."""
    SCENES["acdc"](here)
    _finished(here, "data=acdc", "data.size=[32,32]", "model.width=2", *TINY, "trainer.max_epochs=1")


def pair(here: Path) -> None:
    """Two finished runs that differ in their network, to report on."""
    for model in ("unet", "attunet"):
        _finished(here, *PHANTOM, "trainer.max_epochs=1", f"model={model}")


# Of a run that is killed, and goes on.
LONG = (*PHANTOM, "trainer.max_epochs=6", "trainer.checkpoint_every_n_steps=1")


def stopped(here: Path, *overrides: str) -> None:
    """A run that was killed after an epoch, with two checkpoints to go on from."""
    line = ["run.py", f"paths.outputs={here}/outputs", *LONG, *overrides]
    # Killed between two renames it may have but one checkpoint: then it goes on until it has both again.
    while not _has_all(here):
        process = program.start(line, place(here))
        while process.is_alive() and not _has_all(here):
            time.sleep(0.005)
        assert process.pid is not None
        program.end(process.pid)
        process.join()
    if any(here.glob("outputs/runs/*/summary.json")):
        raise RuntimeError("a run that should have been killed has finished")


def _has_all(here: Path) -> bool:
    wanted = ("checkpoints/last.ckpt", "checkpoints/previous.ckpt", "metrics.csv")
    return all(any(here.glob(f"outputs/runs/*/{name}")) for name in wanted)


def whole(here: Path) -> None:
    """What ``stopped`` should become; in ``whole/``."""
    _finished(here, *LONG)
    shutil.move(here / "outputs", here / "whole")


def done(here: Path) -> None:
    """A finished run, in ``outputs/``, and the same in ``whole/``."""
    _finished(here, *LONG)
    shutil.copytree(here / "outputs", here / "whole", symlinks=True)


def stopped_other(here: Path) -> None:
    """As ``stopped``, with another seed; in ``other/``."""
    stopped(here, "seed=7")
    shutil.move(here / "outputs", here / "other")


def stopped_wide(here: Path) -> None:
    """As ``stopped``, of another width; in ``wide/``."""
    stopped(here, "model.width=3")
    shutil.move(here / "outputs", here / "wide")


RUNS: Mapping[str, Callable[[Path], None]] = {
    made.__name__: made
    for made in (run, colour_run, volume_run, pair, stopped, whole, done, stopped_other, stopped_wide)
}


def prepare(names: Iterable[str], folder: Path) -> None:
    """Make what cases of these names begin with, once, in folders of its own."""
    for name in names:
        here = folder / name
        if not here.exists():
            here.mkdir(parents=True)
            (SCENES[name] if name in SCENES else RUNS[name])(here)
            for further in ("home", "tmp", "work", "said", "outputs/.cache"):
                shutil.rmtree(here / further, ignore_errors=True)


def reference(parts: Sequence[str], folder: Path) -> Path:
    """Return the folder of a command that was let end, by what it was given and its words."""
    return folder / "references" / hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def copy(name: str, folder: Path, here: Path) -> None:
    """Copy what was prepared into a case's folder, with its times."""
    shutil.copytree(folder / name, here, symlinks=True, dirs_exist_ok=True)


def variables(here: Path) -> dict[str, str]:
    """Return what ``$name`` means in the texts of a case: ``$here``, the settings ``$tiny``, and where its run is."""
    found = {
        "here": str(here),
        "tiny": " ".join(TINY),
        "phantom": " ".join(PHANTOM),
        "long": " ".join(LONG),
        "canary": str(here / "canary"),
    }
    for name, inside in (("run", "outputs"), ("other", "other"), ("wide", "wide")):
        runs = sorted(path.parent for path in here.glob(f"{inside}/runs/*/run.json"))
        found |= {name: str(runs[0])} if runs else {}
    return found | SECRETS
