"""Every file of a folder through a trained network; a bad file costs the others nothing."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import track

from segbench.data.input_format import InputFormat
from segbench.data.pictures import Picture, open_picture
from segbench.data.records import grouped_by_reason
from segbench.errors import DataError, SegbenchError
from segbench.prediction.files import Files, find_files
from segbench.prediction.results import Results, Wanted
from segbench.prediction.writing import not_written, writing
from segbench.predictor import Predicting
from segbench.runs.failures import out_of_memory
from segbench.runs.files import sweep_abandoned
from segbench.words import first_line

log = logging.getLogger("segbench")
# An overlay takes longer to draw and to compress than all else that is written; of more images nobody looks at all.
MOST_OVERLAYS = 20


@dataclass
class Outcome:
    """What became of the files.

    Attributes:
        masks: The masks written.
        predicted: Of how many files.
        skipped: A line for each file that could not be predicted.
        ignored: How many files are no images (or are labels).
        legend: What the masks hold, in words.
        undrawn: Whether overlays were left out because there are many images.
    """

    masks: list[Path] = field(default_factory=list)
    predicted: int = 0
    skipped: list[str] = field(default_factory=list)
    ignored: int = 0
    legend: str = ""
    undrawn: bool = False


def predict_files(
    network: Predicting, images: Path, out: Path, overlays: bool | None = None, wanted: Wanted | None = None
) -> Outcome:
    """Predict a file or all files in a folder and below; a bad file is skipped and costs the others nothing.

    A folder's tree is kept. ``masks/<name>.png``, or ``.nii.gz`` for a volume; for overlapping classes
    ``masks/<name>_<class>.png`` each (1 inside the class, else 0); ``objects/<name>.png``, the number of every object,
    if classes consist of objects; ``probabilities/<name>.tif`` and ``overlays/<name>.png`` if wanted, for a volume all
    its slices in one picture; ``classes.json`` with the names and colours of the classes, and what masks hold of them;
    ``areas.csv``.

    Args:
        network: What predicts.
        images: An image or volume, or a folder of them.
        out: Where the results go.
        overlays: Whether to draw overlays too; None draws them of at most :data:`MOST_OVERLAYS` images.
        wanted: What else is written.

    Raises:
        DataError: If there is nothing to predict, or nothing could be.
        StorageError: If the results cannot be written; those of the files before stay.
    """
    wanted = wanted or Wanted()
    results = Results(out, network, wanted)
    files = find_files(images, out, results.endings)
    results.overlays = len(files.names) <= MOST_OVERLAYS if overlays is None else overlays
    outcome = Outcome(skipped=files.faults, ignored=files.ignored, masks=results.written, legend=results.legend)
    outcome.undrawn = overlays is None and not results.overlays
    sweep_abandoned(out)
    for folder in {out / kind / name.parent for kind in results.kinds for name in files.names.values()}:
        sweep_abandoned(folder)
    try:
        _predict_all(network, images, files, results, outcome)
    finally:
        outcome.predicted = results.images
        # What is there is described, whatever ends the command.
        if outcome.masks:
            try:
                results.finish()
            except OSError as error:
                raise not_written(results, error) from error
    if not outcome.masks:
        faults = grouped_by_reason(outcome.skipped)
        raise DataError("\n".join([f"images={images}: no file could be predicted:", *faults]))
    return outcome


def _predict_all(network: Predicting, images: Path, files: Files, results: Results, outcome: Outcome) -> None:
    console = Console(stderr=True)
    hidden, top = not console.is_terminal, images if images.is_dir() else images.parent
    with writing(results) as writers:
        for path, name in track(files.names.items(), "predicting", console=console, transient=True, disable=hidden):
            try:
                picture = open_picture(path, network.inputs)
                probabilities = network.probabilities(picture)
                mask = network.masks(probabilities)
            except Exception as error:
                outcome.skipped.append(_why_skipped(path, error))
                continue
            _say_if_foreign(picture, network.inputs)
            kept = probabilities if results.wanted.probabilities else None
            writers.add(functools.partial(results.write, path.relative_to(top), name, mask, kept, picture))
            if writers.failed:
                break


def _why_skipped(path: Path, error: Exception) -> str:
    """Return the line of a file that could not be predicted; a refusal that is not about the file is raised."""
    if isinstance(error, DataError):
        return str(error)
    if isinstance(error, SegbenchError):
        raise error
    if isinstance(error, OSError):
        return f"{path}: cannot be read ({error.strerror or error})"
    if out_of_memory(error):
        return f"{path}: too large for the memory; window=[512,512] predicts it in parts"
    return f"{path}: not predicted ({type(error).__name__}: {first_line(error)})"


@functools.cache
def _say_once(line: str) -> None:
    log.warning(line)


def _say_if_foreign(picture: Picture, inputs: InputFormat) -> None:
    """Warn of a picture that is brought to the network otherwise than its training images were."""
    spaced = inputs.plane((64, 64), (2.0, 2.0)) != inputs.plane((64, 64), (1.0, 1.0))
    if picture.volume is not None and not spaced and inputs.size is not None:
        height, width = inputs.size
        _say_once(f"volumes: {inputs.name} has no voxel size; their slices are resized to {height}x{width}")
    elif picture.volume is None and spaced:
        _say_once(f"images: they tell no pixel size; {inputs.name}'s network takes them as they are")
