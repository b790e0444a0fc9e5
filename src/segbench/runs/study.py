"""A search by Optuna on disk: part of ``row.json`` beside its trials (:mod:`segbench.runs.tuning`).

Optuna keeps no file of its own. What was tried stands here and how it ended in the trials' run directories, so that
its study is built anew from these whenever one is needed, and none can disagree with what was trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import isabstract
from typing import Any

from segbench.errors import ConfigError
from segbench.installation import require
from segbench.suggest import nearest

Value = float | int | str
_TARGET = "_target_"
# They need what is not in the record: their own state of earlier proposals, a grid, or another sampler or pruner.
_NEED_MORE = frozenset(
    (
        "CmaEsSampler",
        "GridSampler",
        "NSGAIISampler",
        "NSGAIIISampler",
        "PartialFixedSampler",
        "PatientPruner",
        "QMCSampler",
    )
)


@dataclass(frozen=True)
class Proposal:
    """What one trial tries.

    Attributes:
        values: Key to value, as it is given to the trial.
        known: How many trials had ended when it was proposed, those before it in their order; it follows from them,
            and is pruned by comparison with them alone.
    """

    values: Mapping[str, Value]
    known: int


@dataclass(frozen=True)
class Study:
    """How a row's trials were proposed.

    Attributes:
        seed: Of all proposals.
        sampler: What proposes: the ``_target_`` of a class of :mod:`optuna.samplers`, and its arguments.
        pruner: What ends hopeless trials, likewise of :mod:`optuna.pruners`; None for nothing.
        proposals: One for each trial of the row, in their order.
    """

    seed: int
    sampler: Mapping[str, Any]
    pruner: Mapping[str, Any] | None
    proposals: tuple[Proposal, ...] = ()

    @property
    def words(self) -> str:
        """The names of its sampler and pruner."""
        return " and ".join(class_name(part) for part in (self.sampler, self.pruner) if part)

    def described(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "seed": self.seed,
            "sampler": dict(self.sampler),
            "pruner": None if self.pruner is None else dict(self.pruner),
            "proposals": [{"values": dict(one.values), "known": one.known} for one in self.proposals],
        }


def class_name(part: Mapping[str, Any]) -> str:
    """Return the name of the class of a sampler or a pruner."""
    return str(part[_TARGET]).rpartition(".")[2]


def read_study(value: Mapping[str, Any]) -> Study:
    """Return what :meth:`Study.described` gave.

    Raises:
        LookupError, TypeError, ValueError: If it is something else.
    """
    pruner = value["pruner"]
    proposals = [Proposal(dict(one["values"]), int(one["known"])) for one in value["proposals"]]
    return Study(int(value["seed"]), dict(value["sampler"]), None if pruner is None else dict(pruner), tuple(proposals))


def require_optuna() -> None:
    """Refuse a search where Optuna is not installed.

    Raises:
        ConfigError: Says how to install it.
    """
    optuna = require("optuna", "tune", "hydra/sweeper=optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def build_part(key: str, part: Mapping[str, Any], **more: Any) -> Any:
    """Return a sampler or a pruner. A record of trials may be anyone's, so only Optuna's own classes are built.

    Args:
        key: ``sampler`` or ``pruner``.
        part: Its ``_target_`` and arguments.
        **more: Further arguments.

    Raises:
        ConfigError: If it is none, keeps a state of its own between proposals, or does not take the arguments.
    """
    require_optuna()
    import optuna

    known = {
        "sampler": (optuna.samplers, optuna.samplers.BaseSampler),
        "pruner": (optuna.pruners, optuna.pruners.BasePruner),
    }
    module, base = known[key]
    names = [f"{module.__name__}.{name}" for name in module.__all__ if _fits(getattr(module, name), base)]
    name, said = str(part.get(_TARGET)), f"hydra.sweeper.{key}"
    if name not in names:
        raise ConfigError(f"{said}._target_={name}: none of {', '.join(names)}{nearest(name, names)}")
    arguments = {key: value for key, value in part.items() if key != _TARGET}
    try:
        return getattr(module, name.rpartition(".")[2])(**arguments, **more)
    except (TypeError, ValueError, ImportError) as error:
        raise ConfigError(f"{said}: {error}") from error


def _fits(found: Any, base: type) -> bool:
    return (
        isinstance(found, type)
        and issubclass(found, base)
        and not isabstract(found)
        and found.__name__ not in _NEED_MORE
    )
