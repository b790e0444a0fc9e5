"""Exports a run: writes its network in another format, once what was written gives the run's own outputs."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from segbench import __version__
from segbench.errors import ConfigError, SegbenchError, StorageError
from segbench.exporting.check import LIMIT, compare
from segbench.exporting.images import Shown, images_given, images_of_run
from segbench.installation import require
from segbench.model_formats import SIDECAR, Sidecar, Trained, open_trained
from segbench.model_formats.formats import FORMATS, Format
from segbench.model_formats.opened import StoredExport
from segbench.model_formats.sidecar import Check, Decision, Graph, digest
from segbench.predictor import Predictor
from segbench.reporting.card import card
from segbench.reporting.collection.runs import read_run
from segbench.runs.directory import BEST
from segbench.runs.files import atomic_open, sweep_abandoned, write_text
from segbench.suggest import nearest
from segbench.words import first_line

CARD = "README.md"
# What predicting by an export leaves in its folder.
_PREDICTIONS = "predictions"
log = logging.getLogger("segbench")


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        folder: Where.
        sidecar: What ``model.json`` says.
    """

    folder: Path
    sidecar: Sidecar

    @property
    def check(self) -> Check:
        """How far it is from the run."""
        assert self.sidecar.check is not None
        return self.sidecar.check

    def __fspath__(self) -> str:
        return str(self.folder)

    def __str__(self) -> str:
        check = self.check
        return (
            f"held against the run on {check.images}: largest difference {check.logits:.1e} in logits,"
            f" {check.probabilities:.1e} in probabilities; {check.otherwise:,} of {check.decisions:,} decisions differ"
        )


class _NotWritten(Exception):
    """A network cannot be exported so, or not to the same outputs."""


def export(
    run: Path,
    to: str,
    out: Path | None = None,
    images: Path | None = None,
    trust: bool = False,
    licence: str | None = None,
) -> Exported:
    """Export a run's best weights, and hold what was written against the run on a few real images.

    Args:
        run: A run's directory, or one of its checkpoints.
        to: One of :data:`segbench.model_formats.formats.FORMATS`.
        out: The folder to write; None for ``<run>/exports/<to>``.
        images: A folder of images, or one, to hold it against the run by; None for test images of the run's own data.
        trust: Whether the classes that the run names may be anyone's.
        licence: Of the weights, for the model card.

    Raises:
        SegbenchError: If the network cannot be exported, or the outputs differ by more than the limit. Nothing is
            written then.
        ConfigError: If a package is missing, or the folder holds something else.
        CheckpointError: If there is no whole checkpoint.
        StorageError: If the folder cannot be written.
    """
    if to not in FORMATS:
        raise ConfigError(f"to={to}: no such format{nearest(to, FORMATS)}; choose {', '.join(FORMATS)}")
    form = FORMATS[to]
    for package in form.packages:
        require(package, form.extra, f"to={to}")
    home = run if run.is_dir() else run.resolve().parent.parent
    folder = _folder(run, home / "exports" / to, form, to, out)
    trained = open_trained(run)
    own = Predictor.of(trained, run, torch.device("cpu"), trust=trust, tta="none")
    shown = images_of_run(home, trust) if images is None else images_given(images, trained.record.inputs)
    made = _best(trained, own, form, to, shown)
    usage = ["segbench predict run=<this folder> images=<folder>"]
    best = run.is_dir() or run.name == BEST
    _write(made, card(read_run(home), licence, usage, best, trained.record.inputs.size), folder)
    return Exported(folder, made.sidecar)


def _folder(run: Path, default: Path, form: Format, to: str, out: Path | None) -> Path:
    """Return the folder to write: new, empty, or with an earlier export of this format, even a damaged one."""
    if (run / SIDECAR).is_file():
        raise ConfigError(f"run={run}: is an export; name the run itself")
    folder = out or default
    for part in () if out else (folder.parent, folder):
        if part.is_symlink():
            raise ConfigError(f"{part}: is a link, which may lead anywhere; give out=<folder>")
    if not folder.exists():
        return folder
    if not folder.is_dir():
        raise ConfigError(f"out={folder}: is a file; give a folder")
    sweep_abandoned(folder)
    there = {path.name for path in folder.iterdir()}
    if there and not (there & {form.file, SIDECAR} and there <= {form.file, SIDECAR, CARD, _PREDICTIONS}):
        raise ConfigError(f"out={folder}: holds something else than an export to {to}; give another folder")
    return folder


def _best(trained: Trained, own: Predictor, form: Format, to: str, shown: Shown) -> StoredExport:
    """Return the export with the freest inputs that gives the run's outputs."""
    name, reasons = type(own.task.network).__name__, list[str]()
    graphs = form.graphs(trained.record, getattr(own.task.network, "stride", 1))
    if getattr(own.task.network, "computes_by_size", False):
        graphs = [graph for graph in graphs if graph is None or graph.height is not None]
        reasons.append("computes otherwise at other sizes")
    for graph in graphs:
        try:
            made = _checked(trained, own, form, to, graph, shown)
        except _NotWritten as error:
            reasons.append(str(error))
            continue
        if reasons and graph is not None:
            log.warning("to=%s: takes %dx%d alone, as %s", to, graph.height, graph.width, reasons[0])
        return made
    raise SegbenchError(f"to={to}: {name} {reasons[-1]}; nothing was written")


def _checked(
    trained: Trained, own: Predictor, form: Format, to: str, graph: Graph | None, shown: Shown
) -> StoredExport:
    """Return an export with these inputs, held against the run."""
    try:
        content = form.write(own.task.network, own.normalise, graph)
    except Exception as error:
        raise _NotWritten(f"cannot be written ({first_line(error):.200})") from error
    made = StoredExport(_sidecar(trained, form, to, graph, content), content)
    # What was written a moment ago is trusted.
    again = Predictor.of(made, Path(form.file), torch.device("cpu"), trust=True, tta="none")
    check = compare(own, again, shown, any_size=graph is not None and graph.height is None)
    if not max(check.logits, check.probabilities) <= LIMIT:
        raise _NotWritten(
            f"gives other outputs than the run: they differ by up to {check.logits:.1e} in logits and"
            f" {check.probabilities:.1e} in probabilities (limit {LIMIT:.0e}) on {check.images}"
        )
    return StoredExport(made.sidecar.model_copy(update={"check": check}), content)


def _sidecar(trained: Trained, form: Format, to: str, graph: Graph | None, content: bytes) -> Sidecar:
    record = form.record(trained.record)
    sigmoid = record.overlapping or record.logits == 1
    decision = Decision(
        activation="sigmoid" if sigmoid else "softmax",
        rule="threshold" if sigmoid else "argmax",
        threshold=0.5 if sigmoid else None,
    )
    versions = {"segbench": __version__, "torch": torch.__version__}
    return Sidecar(
        format=to,  # type: ignore[arg-type]  # a key of FORMATS
        file=form.file,
        sha256=digest(content),
        graph=graph,
        decision=decision,
        check=None,
        run=trained.run,
        versions=versions | {package: _version(package, form, to) for package in form.packages},
        prediction=record,
    )


def _version(package: str, form: Format, to: str) -> str:
    # Not of the distribution, which may have another name: onnxruntime-gpu has onnxruntime too.
    return str(require(package, form.extra, f"to={to}").__version__)


def _write(made: StoredExport, card_text: str, folder: Path) -> None:
    """Write model file, card and sidecar; a new folder is complete or not there."""
    new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_open(folder / made.sidecar.file) as stream:
            stream.write(made.content)
        write_text(folder / CARD, card_text)
        made.sidecar.write(folder)
    except BaseException as error:
        if new:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            reason = error.strerror or error
            raise StorageError(f"out={folder}: cannot be written ({reason}); choose another folder") from error
        raise
