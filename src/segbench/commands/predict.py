"""Masks, areas and overlays of images, by trained runs: ``segbench predict``, ``python src/predict.py``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from segbench.commands.options import key_values
from segbench.entry import run_entry_point
from segbench.errors import ConfigError
from segbench.installation import typed
from segbench.words import first_line, visible

USAGE = """run=<run directory, checkpoint or export> images=<folder, image or NIfTI volume>"""
EXAMPLE = "run=<run directory> or images=<folder>"
HELP = """
  out=<folder>       where to write the results; default <run>/predictions/<name of images>, and of several runs
                     <experiment>/predictions/<row or runs>/<name of images>
  run=[a,b,c]        several runs predict together: the mean of their probabilities; so do the members of an ensemble
  ensemble=<folder>  instead of run: all finished runs in an experiment's folder, of one configuration
  row=[model=unet]   with ensemble: those of its runs that have these settings
  tta=auto           flips: average the image and its 3 mirror images (4 x the time); none; auto: as scored
  masks=stored       stored: the values or colours of the training masks, where known; indices: class indices
  probabilities=true also write the probability of every class (16-bit TIFF, a page a class; NIfTI for volumes)
  overlays=auto      auto: of at most 20 images; true, false
  accelerator=auto   auto, cpu or gpu
  batch_size=8       slices of a volume per batch
  window=[512,512]   predict large images at their own size, by overlapping windows of this height and width
  overlap=0.5        minimum overlap of neighbouring windows, as a fraction of a window's side
  trust=true         import the classes of your own that the run names (segbench's need no trust)
  debug=true         show tracebacks

Folders of images may have folders inside; masks/, objects/, probabilities/ and overlays/ keep them. Masks are PNG for
images of any size, .nii.gz on the same grid for NIfTI volumes; classes.json says what they hold. Overlapping classes
get one mask each, <image>_<class>: 1 inside the class, 0 elsewhere. objects/ numbers the objects, if classes consist
of them; areas.csv has pixels, share and connected objects of each class and image. Images are resized to the size
(volumes resampled to the spacing) that the network was trained at, and predictions are mapped back. An image file has
no spacing, so a network trained on volumes predicts it at its own size. A run that someone sent you is data: nothing
in it is executed, unless trust=true allows the classes that it names, of which one line tells."""
# Options that are chosen from words, and options that are written as lists.
_CHOICES = {"masks": ("stored", "indices"), "overlays": ("auto", "true", "false"), "tta": ("auto", "flips", "none")}
_LISTS = {
    "window": "write height and width in pixels, for example window=[512,512]",
    "run": "write one run, or several as run=[<run>,<run>]",
    "row": "write the settings of the row, for example row=[model=unet]",
}


@dataclass
class Options:
    """The keys of the command line."""

    images: str = MISSING
    run: Any = None
    ensemble: str | None = None
    row: Any = None
    out: str | None = None
    tta: str = "auto"
    masks: str = "stored"
    probabilities: bool = False
    overlays: str = "auto"
    accelerator: str = "auto"
    batch_size: int = 8
    window: list[int] | None = None
    overlap: float = 0.5
    trust: bool = False
    debug: bool = False


def usage() -> str:
    """Return what to type."""
    return f"usage: {typed('predict')} {USAGE}"


def parse(arguments: Sequence[str]) -> Options:
    """Return the options of ``key=value`` arguments.

    Raises:
        ConfigError: If a key is unknown or missing, or a value has the wrong type.
    """
    given = key_values(arguments, Options, EXAMPLE)
    window = given.get("window")
    values: dict[str, Any] = dict(given)
    for key, how in _LISTS.items():
        if key == "window" or given.get(key, "").startswith("["):
            values |= _parsed(key, given, how)
    try:
        options = OmegaConf.merge(OmegaConf.structured(Options), values)
    except OmegaConfBaseException as error:
        if str(error.full_key).startswith("window"):
            raise ConfigError(f"window={window}: {_LISTS['window']}") from error
        raise ConfigError(f"{error.full_key}: {first_line(error)}") from error
    _check_runs(options)
    for key, choices in _CHOICES.items():
        if (word := getattr(options, key)) not in choices:
            raise ConfigError(f"{key}={word}: choose {', '.join(choices[:-1])} or {choices[-1]}")
    if options.batch_size < 1:
        raise ConfigError(f"batch_size={options.batch_size}: must be at least 1")
    if options.window is not None and (len(options.window) != 2 or min(options.window) < 1):
        raise ConfigError(f"window={window}: {_LISTS['window']}")
    if "overlap" in given and options.window is None:
        raise ConfigError(f"overlap={options.overlap}: needs window too, for example window=[512,512]")
    if not 0 <= options.overlap < 1:
        raise ConfigError(f"overlap={options.overlap}: must be at least 0 and below 1")
    return options  # type: ignore[return-value]  # a DictConfig with the keys of Options


def _parsed(key: str, given: dict[str, str], how: str) -> Any:
    """Return a value that is written as a list."""
    try:
        return OmegaConf.from_dotlist([f"{key}={given[key]}"]) if key in given else {}
    except YAMLError as error:
        raise ConfigError(f"{key}={given[key]}: {how}") from error


def _check_runs(options: Any) -> None:
    """Refuse a command without runs or images, or with runs named in two ways."""
    if options.run is None and options.ensemble is None:
        raise ConfigError(f"run: missing; {usage()}")
    if OmegaConf.is_missing(options, "images"):
        raise ConfigError(f"images: missing; {usage()}")
    if options.run is not None and options.ensemble is not None:
        raise ConfigError(f"ensemble={options.ensemble}: run={options.run} is given too; give one of them")
    if options.row is not None and options.ensemble is None:
        raise ConfigError(f"row={options.row}: needs ensemble too, for example ensemble=outputs/<experiment>")
    if options.run is not None and (not _listed(options.run) or not all(_listed(options.run))):
        raise ConfigError(f"run={options.run}: {_LISTS['run']}")


def _listed(value: Any) -> list[str]:
    """Return what one value or a list of them names."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else ["" if item is None else str(item) for item in value]


def main(arguments: Sequence[str]) -> None:
    """Predict, and print how many files were predicted and skipped.

    Raises:
        SegbenchError: If nothing could be predicted.
    """
    if not arguments or {"-h", "--help"} & set(arguments):
        print(usage() + HELP)
        return
    options = parse(arguments)
    from segbench.data.file_names import name_without_suffix
    from segbench.data.records import grouped_by_reason
    from segbench.prediction import Wanted, predict_files
    from segbench.prediction.ensemble import Ensemble, name_together, networks, runs_of_row
    from segbench.prediction.procedure import MOST_OVERLAYS
    from segbench.predictor import Predictor, choose_device
    from segbench.tasks.windows import Windows
    from segbench.trainer import quiet_lightning

    quiet_lightning()
    images = Path(options.images)
    named = [Path(run) for run in _listed(options.run)]
    runs = named or runs_of_row(Path(str(options.ensemble)), _listed(options.row))
    first = runs[0] if runs[0].is_dir() else runs[0].resolve().parent.parent
    name = images.resolve().name if images.is_dir() else name_without_suffix(images.resolve())
    together = name_together(runs, _listed(options.row))
    # What several predict is no member's own.
    home = Path(options.ensemble) if options.ensemble else first.parent if together else first
    out = Path(options.out) if options.out else _beside(home / "predictions", together, name)
    windows = Windows(size=(options.window[0], options.window[1]), overlap=options.overlap) if options.window else None
    device, asked = choose_device(options.accelerator), options.tta
    members = {member: scored for run in runs for member, scored in networks(run).items()}
    flips = {member: scored if asked == "auto" else asked for member, scored in members.items()}
    # What flips may be was checked with the other options.
    loaded = {
        str(member): Predictor.load(member, device, options.batch_size, windows, options.trust, tta)  # type: ignore[arg-type]
        for member, tta in flips.items()
    }
    wanted = Wanted(options.masks, options.probabilities)  # type: ignore[arg-type]  # both are checked
    overlays = None if options.overlays == "auto" else options.overlays == "true"
    outcome = predict_files(Ensemble.of(loaded), images, out, overlays, wanted)
    for line in grouped_by_reason(outcome.skipped):
        print(visible(f"skipped: {line}"), file=sys.stderr)
    by = f" by {len(members)} runs together" if len(members) > 1 else ""
    parts = [f"{outcome.predicted} predicted{by}", f"{len(outcome.skipped)} skipped"]
    if outcome.ignored:
        parts.append(f"{outcome.ignored} other files ignored")
    print(visible(outcome.legend))
    if outcome.undrawn:
        print(f"more than {MOST_OVERLAYS} images: no overlays; overlays=true draws them")
    print(visible(f"{', '.join(parts)}: {out}"))


def _beside(place: Path, together: str, name: str) -> Path:
    """Return the folder in a run or an experiment for the results, which no link of somebody's may lead out of it."""
    out = place / together / name
    for folder in (place, place / together, out, out / "masks", out / "overlays"):
        if folder.is_symlink():
            raise ConfigError(f"{folder}: is a link, which may lead anywhere; give out=<folder>")
    return out


def command() -> int:
    """Predict what was typed; return the exit code."""
    return run_entry_point(lambda: main(sys.argv[1:]), outputs="out")
