"""Hydra sweeper ``looks``: seeds are trained until the question is decided, ``decide=true`` on the command line.

The seeds of all rows are trained up to the first look; then the question is asked at that look's error rate, rows that
it rules out get no more seeds, and the rest goes on to the next look, until it is decided, the looks are over, or the
budget is gone (:mod:`segbench.sweep.looking`). Whatever is swept besides the seed makes the rows, as in Hydra's own
sweeper; the jobs run in the launcher's processes, so failed and finished ones are treated as in any sweep.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, filter_overrides
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from segbench.configuration.recorded import recorded_overrides
from segbench.errors import ConfigError
from segbench.sweep.composing import Composer
from segbench.sweep.launcher import keeps_record

# What of the question may not change once it was looked at.
_ASKED = ("metric", "split", "family", "baseline", "margin")


class LooksSweeper(Sweeper):
    """Trains the seeds of a sweep look by look.

    Args:
        looks: Number of seeds at each look, ascending, at least 2.
        first: The first seed; where another plan ended, that plan's last plus one.
        hours: What the runs may take together; None for no limit.
        params: What an experiment sweeps, as for Hydra's own sweeper; its seeds are those of the looks.

    Raises:
        ConfigError: If an argument is invalid.
    """

    def __init__(
        self,
        looks: Sequence[int],
        hours: float | None = None,
        params: dict[str, str] | None = None,
        first: int = 0,
    ) -> None:
        whole = OmegaConf.is_list(looks) and bool(looks) and all(type(number) is int for number in looks)
        if not whole or list(looks) != sorted(set(looks)) or looks[0] < 2:
            raise ConfigError(
                f"decide.looks={looks}: must be numbers of seeds, ascending from 2 or more, for example [3,5,10]"
            )
        if hours is not None and (type(hours) not in (int, float) or not 0 < hours < math.inf):
            raise ConfigError(f"decide.hours={hours}: must be a number of hours above 0")
        if type(first) is not int or first < 0:
            raise ConfigError(f"decide.first={first}: must be a seed, 0 or more")
        self.params = {key: value for key, value in (params or {}).items() if key != "seed"}
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None
        self.looks, self.hours, self.first = tuple(looks), hours, first

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Store what Hydra composed for the sweep.

        Raises:
            ConfigError: With a launcher that keeps no record of how its jobs ended.
        """
        if not keeps_record(config):
            raise ConfigError("hydra/launcher: decide=true needs a launcher of segbench; leave the other out")
        self.config, self.hydra_context = config, hydra_context
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Train look by look.

        Args:
            arguments: The overrides of the sweep.

        Returns:
            What the jobs came to, launch by launch.

        Raises:
            ConfigError: If the seed is among them, or what was begun in the folder was planned otherwise.
        """
        assert self.config is not None
        assert self.hydra_context is not None
        assert self.launcher is not None
        # Imported here: Hydra imports its plugins, of which this is one, for every command.
        from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

        from segbench.runs.planned_looks import PlannedRow
        from segbench.sweep.looking import Looking

        overrides = OverridesParser.create().parse_overrides(
            [*(f"{key}={value}" for key, value in self.params.items()), *arguments]
        )
        for override in overrides:
            if override.key_or_group == "seed":
                raise ConfigError(
                    f"{override.input_line}: decide=true trains the seeds {self.first} to"
                    f" {self.first + self.looks[-1] - 1} as it needs them;"
                    " leave the seed out"
                )
        (settings,) = BasicSweeper.split_arguments(overrides, None)
        compose = Composer(self.hydra_context, self.config)
        rows, asked = dict[str, tuple[PlannedRow, list[str]]](), tuple[str, ...]()
        for row in settings:
            config, (_, *given) = compose(["seed=0", *row])
            name = str(config.hydra.sweep.subdir)
            rows.setdefault(name, (PlannedRow(name=name, settings=_label(row, settings)), given))
            asked = asked or _asked(config)
        if len(rows) < 2:
            raise ConfigError(
                "decide=true: one row, and nothing to compare it with; sweep something (model=unet,attunet)"
            )
        folder = Path(str(self.config.hydra.sweep.dir))
        looking = Looking(folder, self.looks, self.first, self.hours, list(rows.values()), asked)
        OmegaConf.save(self.config, folder / "multirun.yaml")
        return looking.train(self.launcher.launch)


def _label(row: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the settings in which a row differs from others, as they may be written down."""
    common = set(row).intersection(*rows)
    return tuple(recorded_overrides(filter_overrides([text for text in row if text not in common])))


def _asked(config: DictConfig) -> tuple[str, ...]:
    comparison = config.comparison or {}
    return tuple(f"{key}={comparison[key]}" for key in _ASKED if comparison.get(key) is not None)
