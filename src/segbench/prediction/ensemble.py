"""Several trained networks that predict together: the mean of their probabilities."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segbench.data.input_format import InputFormat
from segbench.data.pictures import Picture
from segbench.errors import CheckpointError, ConfigError
from segbench.masks import MaskKey
from segbench.predictor import Predicting
from segbench.runs.directory import RunDirectory
from segbench.runs.identity import IRRELEVANT
from segbench.runs.readers import DamagedError, config_file, identity_file
from segbench.runs.settings import flatten, is_under, with_processes, without_places
from segbench.words import listed

# What runs of one row differ in: their seeds of any kind and their parts of the data.
_REPEATED = ("seed", "data.fold", "data.split_seed", "hydra")
# A choice that is only a name, unless it has what changes a result (averaged weights, say).
_NAMED = "callbacks"
# What a key is in a configuration of before there was such a key, too.
_NULL = "null"
# What ends the name of a run's directory: its seed and its identity.
_REPEAT = re.compile(r"-seed\d+-[0-9a-f]+\Z")
_UNSAFE = re.compile(r"[^\w.,=+-]+")
_LONGEST = 100
Flips = Literal["auto", "flips", "none"]
_AGREED = {"inputs": "the input", "key": "the classes", "stored": "the masks", "objects": "the objects"}


@dataclass(frozen=True)
class Ensemble:
    """Networks of the same classes and inputs, whose probabilities are averaged on the image's own grid.

    As the members of a deep ensemble are (B. Lakshminarayanan et al., NeurIPS 2017, eq. 2.4 with equal weights).

    Attributes:
        members: The networks.
    """

    members: tuple[Predicting, ...]

    @classmethod
    def of(cls, members: Mapping[str, Predicting]) -> Predicting:
        """Return a network that is alone, or the ensemble of several.

        Args:
            members: Each network by the name of its run.

        Raises:
            ConfigError: If they differ in classes or inputs; names the two runs.
        """
        first, *others = members
        for name in others:
            for attribute, words in _AGREED.items():
                if getattr(members[name], attribute) != getattr(members[first], attribute):
                    raise ConfigError(f"run: {first} and {name} differ in {words}, so they cannot predict together")
        return members[first] if not others else cls(tuple(members.values()))

    @property
    def inputs(self) -> InputFormat:
        """How files become inputs."""
        return self.members[0].inputs

    @property
    def key(self) -> MaskKey:
        """How to read the masks that are predicted."""
        return self.members[0].key

    @property
    def stored(self) -> tuple[int | str, ...] | None:
        """The value or colour by which training masks store each class."""
        return self.members[0].stored

    @property
    def objects(self) -> tuple[int, ...]:
        """The classes that consist of objects."""
        return self.members[0].objects

    def probabilities(self, picture: Picture) -> NDArray[np.float32]:
        """Return the mean of the members' probabilities on the file's own grid, (Z,K,H,W)."""
        total = self.members[0].probabilities(picture)
        for member in self.members[1:]:
            total += member.probabilities(picture)
        return total / np.float32(len(self.members))

    def masks(self, probabilities: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the mask of every slice, uint8 (Z,H,W), as the key reads it, from probabilities (Z,K,H,W)."""
        return self.members[0].masks(probabilities)


def runs_of_row(experiment: Path, row: Sequence[str]) -> list[Path]:
    """Return the finished runs of one row of a comparison: those of an experiment with these settings.

    Args:
        experiment: The folder of the runs.
        row: ``key=value`` for each factor, a group's choice (``model=unet``) or a key (``optimizer.lr=0.1``).

    Raises:
        CheckpointError: If there are none.
        ConfigError: If they differ in something else than seeds and folds; names it.
    """
    if not experiment.is_dir():
        raise CheckpointError(f"ensemble={experiment}: no such folder; give an experiment's, outputs/<experiment>")
    asked = dict(_pair(text) for text in row)
    found = {path: _settings(path) for path in sorted(experiment.iterdir()) if _is_finished(path)}
    if not found:
        raise CheckpointError(f"ensemble={experiment}: no finished run there; give an experiment's folder")
    fitting = {
        path: settings
        for path, settings in found.items()
        if all(settings.get(key, _NULL) == value for key, value in asked.items())
    }
    if not fitting:
        known = {key: _values(found, key) for key in asked}
        said = [f"{key} is {listed(values)}" for key, values in known.items()]
        raise ConfigError(f"ensemble={experiment}: no finished run has {', '.join(row)}; {'; '.join(said)}")
    if key := _first_difference(fitting):
        values = _values(fitting, key)
        example = json.dumps([*row, f"{key}={values[0]}"]).replace('"', "").replace(" ", "")
        raise ConfigError(
            f"ensemble={experiment}: its runs differ in {key} ({listed(values)}); choose one row, for example"
            f" row={example}"
        )
    return list(fitting)


def name_together(runs: Sequence[Path], row: Sequence[str]) -> str:
    """Return the name of the folder for what several runs predict together; empty for one run, and without a row.

    Args:
        runs: The runs: ``phantom-unet-dice-seed0-1f6c...`` and its other seeds are ``phantom-unet-dice-3-runs-`` with a
            digest of their names, as rows may differ in what no name shows.
        row: The settings that name them, which are the folder's name then.
    """
    if row:
        return _UNSAFE.sub("-", ",".join(row))
    if len(runs) < 2:
        return ""
    names = sorted((run.resolve().parent.parent if run.suffix == ".ckpt" else run.resolve()).name for run in runs)
    stems = dict.fromkeys(_REPEAT.sub("", name) for name in names)
    digest = hashlib.sha256("/".join(names).encode()).hexdigest()[:6]
    return f"{'+'.join(stems)[:_LONGEST]}-{len(names)}-runs-{digest}"


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"row={text}: write the settings of the row, for example row=[model=unet]")
    return key, value


def _is_finished(path: Path) -> bool:
    return path.is_dir() and RunDirectory(path).state() == "done" and bool(RunDirectory(path).predicting())


def networks(run: Path) -> dict[Path, Flips]:
    """Return the runs whose networks a run predicts by, and whether they average mirror images as it was scored.

    Args:
        run: A run directory, one of its checkpoints, or the directory of an ensemble, whose members are returned.

    Raises:
        CheckpointError: If the ensemble's configuration is damaged.
    """
    members = RunDirectory(run).predicting() if run.is_dir() else []
    if members in ([], [run]):
        return {run: "auto"}
    try:
        mirrored = (config_file(run / "config.yaml").get("predict") or {}).get("tta") == "flips"
    except DamagedError as error:
        raise CheckpointError(f"{run}: {error}; name its members instead, run=[a,b]") from error
    return dict.fromkeys(members, "flips" if mirrored else "none")


def _settings(path: Path) -> dict[str, str]:
    """Return a run's choices of groups and its configuration as text, without what repeats or cannot change it."""
    try:
        identity, config = identity_file(path / "run.json"), config_file(path / "config.yaml")
    except (DamagedError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: {error}; leave it out by naming the runs, run=[a,b]") from error
    flat = without_places(with_processes(flatten(config)), config, identity.get("seed"))
    apart = (*IRRELEVANT, *_REPEATED, *identity["unchanging"])
    kept = {key: value for key, value in flat.items() if not is_under(key, apart)}
    choices = {key: str(value) for key, value in (identity.get("choices") or {}).items() if key in config}
    return {key: _text(value) for key, value in kept.items()} | {
        key: value for key, value in choices.items() if key not in IRRELEVANT and key not in _REPEATED
    }


def _first_difference(found: Mapping[Path, Mapping[str, str]]) -> str | None:
    """Return what runs differ in, a group's choice first; None for those of one row."""
    keys = sorted({key for settings in found.values() for key in settings}, key=lambda key: ("." in key, key))
    differing = [key for key in keys if len(_values(found, key)) > 1]
    if not any(key.startswith(f"{_NAMED}.") for key in differing):
        differing = [key for key in differing if key != _NAMED]
    return next(iter(differing), None)


def _text(value: Any) -> str:
    """Return a value as it is typed on a command line."""
    return _NULL if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _values(found: Mapping[Path, Mapping[str, str]], key: str) -> list[str]:
    return sorted({settings.get(key, _NULL) for settings in found.values()})
