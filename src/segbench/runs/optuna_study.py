"""Optuna's study of a row, built in memory from the files of its trials."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from segbench.rng import derive_seed
from segbench.runs.readers import curves_file
from segbench.runs.study import Study, Value, build_part, require_optuna
from segbench.runs.tuning import Trial, Tuning, are_choices

if TYPE_CHECKING:
    import optuna

# Values are printed with so many digits, and what is printed is what is used.
_DIGITS = 3
# How often a point that was tried is asked for again before the space counts as used up.
_ATTEMPTS = 50
_DIVERGED = 4


def propose(row: Tuning, folder: Path, count: int) -> list[dict[str, Value]]:
    """Return what further trials should try: a function of the row's seed and of how its trials ended.

    Args:
        row: All its trials are over.
        folder: Where they lie.
        count: How many trials; fewer come from a space that has no more points.

    Raises:
        ConfigError: If the study's sampler is none of Optuna's.
    """
    study, record = past(row, folder), _record(row)
    space = {key: _distribution(limits) for key, limits in row.space.items()}
    tried = {tuple(one.values.items()) for one in record.proposals}
    found = list[dict[str, Value]]()
    for number in range(len(record.proposals), len(record.proposals) + count):
        for attempt in range(_ATTEMPTS):
            seed = derive_seed(record.seed, "search", number, attempt) % 2**32
            study.sampler = build_part("sampler", record.sampler, seed=seed)
            with _one_thread():
                asked = study.ask(space)
            values = {key: _printed(asked.params[key], row.space[key]) for key in space}
            if tuple(values.items()) not in tried:
                break
            study.tell(asked, state=_state("FAIL"))
        else:
            break
        tried.add(tuple(values.items()))
        found.append(values)
    return found


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let samplers that compute by torch (``GPSampler``) begin no threads.

    Forks of this process, which the next trials are, would wait for them for ever.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def past(row: Tuning, folder: Path) -> optuna.Study:
    """Return the study of trials that have ended, with what they tried and their curves."""
    require_optuna()
    import optuna

    space = {key: _distribution(limits) for key, limits in row.space.items()}
    study = optuna.create_study(direction=_direction(row), study_name=row.row)
    for trial, proposal in zip(row.trials, _record(row).proposals, strict=True):
        study.add_trial(
            optuna.trial.create_trial(
                state=_end(trial),
                value=trial.score,
                params=dict(proposal.values),
                distributions=space,
                intermediate_values={} if _diverged(trial) else curve(folder / trial.name, row.monitor),
                user_attrs={"directory": trial.name},
            )
        )
    return study


def running(row: Tuning, folder: Path, number: int) -> optuna.trial.Trial:
    """Return a trial that runs, to report its epochs to and ask whether it is hopeless.

    Args:
        row: With a pruner.
        folder: Where the trials lie.
        number: The trial's, from 0. It is compared with those that had ended when it was proposed, so that what
            becomes of it does not depend on what else runs beside it.
    """
    require_optuna()
    import optuna

    record = _record(row)
    assert record.pruner is not None
    pruner = build_part("pruner", record.pruner)
    study = optuna.create_study(direction=_direction(row), study_name=row.row, pruner=pruner)
    for index, trial in enumerate(row.trials[:number]):
        one = study.ask()
        if index >= record.proposals[number].known:
            continue
        for epoch, value in curve(folder / trial.name, row.monitor).items():
            one.report(value, epoch)
            # Some pruners remember here how far it came.
            one.should_prune()
        study.tell(one, trial.score, state=_end(trial))
    return study.ask()


def curve(directory: Path, monitor: str) -> dict[int, float]:
    """Return epoch, from 1, to a score of a run, as far as it has come; without epochs that have none."""
    table = curves_file(directory / "metrics.csv", None)
    if table is None or monitor not in table:
        return {}
    pairs = zip(table["epoch"].tolist(), table[monitor].tolist(), strict=True)
    return {int(epoch): float(value) for epoch, value in pairs if math.isfinite(value)}


def _record(row: Tuning) -> Study:
    assert row.study is not None
    return row.study


def _direction(row: Tuning) -> Literal["minimize", "maximize"]:
    return "maximize" if row.higher else "minimize"


def _diverged(trial: Trial) -> bool:
    return trial.exit_code == _DIVERGED


def _end(trial: Trial) -> Any:
    """Return Optuna's word for how a trial ended.

    One that diverged counts as pruned at once: a sampler then avoids its values, which it would not of one that failed.
    Neither can be the best.
    """
    if trial.score is not None:
        return _state("COMPLETE")
    return _state("PRUNED" if trial.pruned or _diverged(trial) else "FAIL")


def _state(name: str) -> Any:
    import optuna

    return optuna.trial.TrialState[name]


def _distribution(limits: Sequence[Any]) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if are_choices(limits):
        return CategoricalDistribution(tuple(limits))
    low, high, *words = limits
    if "int" in words:
        return IntDistribution(int(low), int(high), log="log" in words)
    return FloatDistribution(low, high, log="log" in words)


def _printed(value: Value, limits: Sequence[Any]) -> Value:
    """Return a value with the digits that are printed, still within its range."""
    if type(value) is not float:
        return value
    return min(max(float(f"{value:.{_DIGITS}g}"), limits[0]), limits[1])
