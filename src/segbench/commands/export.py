"""A run's network for use elsewhere: ``segbench export``, ``python src/export.py``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from segbench.commands.options import key_values
from segbench.entry import run_entry_point
from segbench.errors import ConfigError
from segbench.installation import typed
from segbench.words import first_line, visible

USAGE = "run=<run directory or checkpoint> to=onnx|torchscript|safetensors"
EXAMPLE = "run=<run directory>"
HELP = """
  to=onnx            a graph that ONNX Runtime computes, with the normalisation in it (needs the extra onnx)
  to=torchscript     the same for libtorch (code: predicting by it needs trust=true)
  to=safetensors     the weights alone, for segbench's network (needs the extra safetensors)
  out=<folder>       where to write; default <run>/exports/<format>
  images=<folder>    images to hold the export against the run by; default: test images of the run's own data
  licence=<name>     of the weights, for the model card: licence=cc-by-4.0
  trust=true         import the classes of your own that the run names (segbench's need no trust)
  debug=true         show tracebacks

README.md is the model card: data, split, scores with intervals, training, versions, commit, from the run's record.
model.json beside the file says what it takes and gives: sides and their multiple, normalisation, classes, windows, how
logits become classes, and the SHA-256 of the file. Outputs are held against the run's own before anything is written;
where they differ by more than 1e-4, nothing is, and the exit code is 1. The export predicts as the run does:"""


@dataclass
class Options:
    """The keys of the command line."""

    run: str = MISSING
    to: str = MISSING
    out: str | None = None
    images: str | None = None
    licence: str | None = None
    trust: bool = False
    debug: bool = False


def usage() -> str:
    """Return what to type."""
    return f"usage: {typed('export')} {USAGE}"


def parse(arguments: Sequence[str]) -> Options:
    """Return the options of ``key=value`` arguments.

    Raises:
        ConfigError: If a key is unknown or missing, or a value has the wrong type.
    """
    try:
        options = OmegaConf.merge(OmegaConf.structured(Options), key_values(arguments, Options, EXAMPLE))
    except OmegaConfBaseException as error:
        raise ConfigError(f"{error.full_key}: {first_line(error)}") from error
    for key in ("run", "to"):
        if OmegaConf.is_missing(options, key):
            raise ConfigError(f"{key}: missing; {usage()}")
    return options  # type: ignore[return-value]  # a DictConfig with the keys of Options


def main(arguments: Sequence[str]) -> None:
    """Export, and print how far the export is from the run and where it lies.

    Raises:
        SegbenchError: If nothing could be exported.
    """
    if not arguments or {"-h", "--help"} & set(arguments):
        print(f"{usage()}\n{HELP}\n\n  {typed('predict')} run=<export> images=<folder>")
        return
    options = parse(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr, force=True)
    from segbench.exporting import export
    from segbench.trainer import quiet_lightning

    quiet_lightning()
    out, images = (value and Path(value) for value in (options.out, options.images))
    found = export(Path(options.run), options.to, out or None, images or None, options.trust, options.licence)
    print(visible(str(found)))
    print(visible(str(found.folder / found.sidecar.file)))


def command() -> int:
    """Export what was typed; return the exit code."""
    return run_entry_point(lambda: main(sys.argv[1:]), outputs="out")
