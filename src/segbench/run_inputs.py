"""A run's inputs besides its configuration: the data files, the initial weights, the code.

The run's identity includes only their names (``data.root`` and ``init_from``), not their content.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from omegaconf import DictConfig, OmegaConf

from segbench import environment
from segbench.data.base import ImageData
from segbench.data.cache import first_key
from segbench.errors import SegbenchError
from segbench.models.weight_files import pretrained_digest
from segbench.runs.directory import CONTENT, FINGERPRINT, SPLIT, RunDirectory
from segbench.runs.identity import relevant
from segbench.runs.readers import DamagedError, named
from segbench.runs.scores_file import read_scores
from segbench.targets import find_object, own_modules, targets_in
from segbench.tasks.initialisation import weights_digest
from segbench.words import listed

log = logging.getLogger("segbench")


def find_sources(run: RunDirectory, data: ImageData, cfg: DictConfig) -> dict[str, str]:
    """Return the digests of a run's data and initial weights, as :meth:`RunDirectory.begin_sources` stores them.

    Args:
        run: The run. If it is resumed and only the times of its data files have changed, its fingerprint is kept.
        data: The data module; no data is decoded, so the content's digest is missing where nothing has told it.
        cfg: The configuration, for ``init_from`` and ``model.pretrained``.

    Raises:
        SegbenchError: If data or weights are missing.
    """
    now = {name: find() for name, find in _finders(data, cfg).items()} | _content(data)
    if SPLIT in run.identity() or not any(run.checkpoints.glob("*.ckpt")):
        now[SPLIT] = data.split_digest()
    elif data.folds is not None:
        # Today's must not be recorded as its own.
        log.warning("%s: begun before splits were recorded; other images may have been in its fold then", run.path)
    return _with_known_data(run, data, now)


def check_sources(run: RunDirectory, data: ImageData, cfg: DictConfig) -> None:
    """Check that data and initial weights are still those that a finished run was trained on.

    Inputs that are gone cannot be compared, which is only a warning.

    Args:
        run: The finished run.
        data: The data module.
        cfg: The configuration, for ``init_from`` and ``model.pretrained``.

    Raises:
        DataError: If the data files or their split have changed.
        ConfigError: If the split that is asked for does not fit the data.
        CheckpointError: If the weights have changed.
    """
    now = {}
    for name, find in _finders(data, cfg).items():
        try:
            now[name] = find()
        except SegbenchError as error:
            log.warning("cannot check what the run was trained on: %s", error)
    now = _with_known_data(run, data, now | _content(data))
    if now.get(FINGERPRINT, known := run.identity().get(FINGERPRINT)) != known and CONTENT not in now:
        log.info("the data files' times have changed since the run started; comparing their content")
        data.digest()
        now = _with_known_data(run, data, now | {FINGERPRINT: data.fingerprint} | _content(data))
    recorded = SPLIT in run.identity()
    run.check_sources(now | ({SPLIT: data.split_digest()} if recorded and data.records else {}))
    if data.records and not recorded:
        _check_scored_split(run, data)
    known = (run.identity().get("git") or {}).get("own", {})
    if changed := [name for name, digest in own_code(cfg).items() if known.get(name, digest) != digest]:
        log.warning("%s: %s changed since it was trained; rerun=true trains it again", run.path, listed(changed))


def _content(data: ImageData) -> dict[str, str]:
    return {CONTENT: data.content} if data.content else {}


def _check_scored_split(run: RunDirectory, data: ImageData) -> None:
    """Check the split of a finished run of before splits were recorded by the images that it has scored.

    Raises:
        DataError: If it has scored others than are in the same split now.
    """
    if not run.scores.is_file():
        # A trial scores nothing.
        return
    try:
        scored = named(run.scores, read_scores)
    except DamagedError as error:
        log.warning("%s: cannot check how its images were split: %s", run.path, error)
        return
    data.divide()
    now = {split: {data.records[index].id for index in indices} for split, indices in data.splits.items()}
    if any(set(scored[split].ids) != now[split] for split in scored.keys() & now.keys()):
        raise run.changed(SPLIT)


def _with_known_data(run: RunDirectory, data: ImageData, now: dict[str, str]) -> dict[str, str]:
    """Return the digests with the run's own fingerprint where the data is known to be the same."""
    known = run.identity()
    if not (before := known.get(FINGERPRINT)) or FINGERPRINT not in now:
        return now
    if CONTENT in known and CONTENT in now:
        same = known[CONTENT] == now[CONTENT]
    else:
        same = now[FINGERPRINT] == first_key(before, data.cache_dir)
    return now | {FINGERPRINT: before} if same else now


def find_code(run: RunDirectory, cfg: DictConfig, before: dict[str, Any] | None) -> dict[str, Any]:
    """Return the commit at the start of a run, as another may be checked out while it trains.

    Args:
        run: The run directory.
        cfg: The configuration, whose classes may lie outside the checkout (:func:`own_code`).
        before: What this function returned when the run was started, if it is resumed. If the commit has changed since,
            the first one is kept but marked dirty, as the run then belongs to neither.
    """
    own = own_code(cfg)
    now = environment.git_state() | ({"own": own} if own else {})
    if before in (None, now) or not any(run.checkpoints.glob("*.ckpt")):
        return now
    return (before or {}) | {"dirty": True}


def own_code(cfg: DictConfig) -> dict[str, str]:
    """Return the modules of the user's own classes: neither segbench's nor an installed package's.

    Classes that cannot change the result are left out, and so are files that a module imports.

    Args:
        cfg: The configuration.

    Returns:
        Module name to the first digits of its file's SHA-256.

    Raises:
        ConfigError: If a class cannot be found.
    """
    return _own_code(targets_in(relevant(cfg), ""))


def score_code(cfg: DictConfig) -> dict[str, dict[str, str]]:
    """Return the modules of the user's own scores, as :func:`own_code` does for all other classes.

    Args:
        cfg: The configuration.

    Returns:
        Score name to its modules; without scores of segbench and of installed packages.

    Raises:
        ConfigError: If a class cannot be found.
    """
    scores: Any = OmegaConf.to_container(cfg.scores, resolve=True)
    found = {str(name): _own_code(targets_in(settings, f"scores.{name}")) for name, settings in scores.items()}
    return {name: code for name, code in found.items() if code}


def _own_code(targets: Iterable[tuple[str, str]]) -> dict[str, str]:
    return own_modules(find_object(key, target) for key, target in targets)


def _finders(data: ImageData, cfg: DictConfig) -> dict[str, Callable[[], str]]:
    finders: dict[str, Callable[[], str]] = {FINGERPRINT: data.find}
    if cfg.init_from is not None:
        finders["init_from_sha256"] = lambda: weights_digest(cfg.init_from)
    if (pretrained := cfg.model.get("pretrained")) is not None:
        finders["pretrained_sha256"] = lambda: pretrained_digest(pretrained)
    return finders
