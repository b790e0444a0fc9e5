"""Masks and overlays of images, by a trained run: ``python src/predict.py run=<directory> images=<folder>``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from segbench.entry import run_entry_point
from segbench.errors import ConfigError
from segbench.suggest import nearest
from segbench.words import first_line, visible

USAGE = """usage: python src/predict.py run=<run directory or checkpoint> images=<folder, image or NIfTI volume>

  out=<folder>       where to write masks and overlays; default <run>/predictions/<name of images>
  overlays=false     masks only
  accelerator=auto   auto, cpu or gpu
  batch_size=8       slices of a volume per batch
  window=[512,512]   predict large images at their own size, by overlapping windows of this height and width
  overlap=0.5        minimum overlap of neighbouring windows, as a fraction of a window's side
  trust=true         import the classes of your own that the run names (segbench's need no trust)
  debug=true         show tracebacks

Masks hold class indices: PNG for images of any size, .nii.gz on the same grid for NIfTI volumes. Overlapping classes
get one mask each, <image>_<class>: 1 inside the class, 0 elsewhere. Images are resized to the size (volumes resampled
to the spacing) that the network was trained at, and predictions are mapped back. An image file has no spacing, so a
network trained on volumes predicts it at its own size. A run that someone sent you is data: nothing in it is executed,
unless trust=true allows the classes that it names, of which one line tells."""
WINDOW = "write height and width in pixels, for example window=[512,512]"


@dataclass
class Options:
    """The keys of the command line."""

    run: str = MISSING
    images: str = MISSING
    out: str | None = None
    overlays: bool = True
    accelerator: str = "auto"
    batch_size: int = 8
    window: list[int] | None = None
    overlap: float = 0.5
    trust: bool = False
    debug: bool = False


def parse(arguments: Sequence[str]) -> Options:
    """Return the options of ``key=value`` arguments.

    Raises:
        ConfigError: If a key is unknown or missing, or a value has the wrong type.
    """
    known = list(Options.__dataclass_fields__)
    given = dict[str, Any]()
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if key in given:
            raise ConfigError(f"{argument}: {key}={given[key]} is given too; give one {key} a command")
        if not equals and Path(argument).exists():
            raise ConfigError(f"{argument}: write run=<run directory> or images=<folder>, one of each a command")
        given[key] = value
        if not equals or key not in known:
            raise ConfigError(f"{argument}: no such option{nearest(key, known)}; --help lists them")
    window = given.get("window")
    try:
        if window is not None:
            given |= OmegaConf.from_dotlist([f"window={window}"])
    except YAMLError as error:
        raise ConfigError(f"window={window}: {WINDOW}") from error
    try:
        options = OmegaConf.merge(OmegaConf.structured(Options), given)
    except OmegaConfBaseException as error:
        if str(error.full_key).startswith("window"):
            raise ConfigError(f"window={window}: {WINDOW}") from error
        raise ConfigError(f"{error.full_key}: {first_line(error)}") from error
    for key in ("run", "images"):
        if OmegaConf.is_missing(options, key):
            raise ConfigError(f"{key}: missing; {USAGE.splitlines()[0]}")
    if options.batch_size < 1:
        raise ConfigError(f"batch_size={options.batch_size}: must be at least 1")
    if options.window is not None and (len(options.window) != 2 or min(options.window) < 1):
        raise ConfigError(f"window={window}: {WINDOW}")
    if "overlap" in given and options.window is None:
        raise ConfigError(f"overlap={options.overlap}: needs window too, for example window=[512,512]")
    if not 0 <= options.overlap < 1:
        raise ConfigError(f"overlap={options.overlap}: must be at least 0 and below 1")
    return options  # type: ignore[return-value]  # a DictConfig with the keys of Options


def main(arguments: Sequence[str]) -> None:
    """Predict, and print how many files were predicted and skipped.

    Raises:
        SegbenchError: If nothing could be predicted.
    """
    if not arguments or {"-h", "--help"} & set(arguments):
        print(USAGE)
        return
    options = parse(arguments)
    from segbench.data.file_names import name_without_suffix
    from segbench.prediction import predict_files
    from segbench.predictor import Predictor, choose_device
    from segbench.tasks.windows import Windows
    from segbench.trainer import quiet_lightning

    quiet_lightning()
    run, images = Path(options.run), Path(options.images)
    inside = run if run.is_dir() else run.resolve().parent.parent
    name = images.resolve().name if images.is_dir() else name_without_suffix(images.resolve())
    out = Path(options.out) if options.out else _beside(inside, name)
    windows = Windows(size=(options.window[0], options.window[1]), overlap=options.overlap) if options.window else None
    predictor = Predictor.load(run, choose_device(options.accelerator), options.batch_size, windows, options.trust)
    outcome = predict_files(predictor, images, out, options.overlays)
    for line in outcome.skipped:
        print(visible(f"skipped: {line}"), file=sys.stderr)
    parts = [f"{outcome.predicted} predicted", f"{len(outcome.skipped)} skipped"]
    if outcome.ignored:
        parts.append(f"{outcome.ignored} other files ignored")
    print(visible(f"{', '.join(parts)}: {out}"))


def _beside(run: Path, name: str) -> Path:
    """Return the folder in a run for the results, which no link of somebody's may lead out of it."""
    out = run / "predictions" / name
    for folder in (out.parent, out, out / "masks", out / "overlays"):
        if folder.is_symlink():
            raise ConfigError(f"{folder}: is a link, which may lead anywhere; give out=<folder>")
    return out


if __name__ == "__main__":
    sys.exit(run_entry_point(lambda: main(sys.argv[1:])))
