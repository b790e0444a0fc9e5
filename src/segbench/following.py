"""What the processes of a run do that do not lead it: their share of its training and evaluation, and no file."""

from __future__ import annotations

import logging
import sys
import traceback
from pathlib import Path

import torch
from omegaconf import DictConfig

from segbench.assembly import build_data, build_task
from segbench.configuration.resolvers import register
from segbench.errors import DataError, SegbenchError
from segbench.final_evaluation import prepare_torch, read_data
from segbench.fitting import Fitting, Orders, await_file, image_digest
from segbench.processes import from_first
from segbench.runs.directory import RunDirectory
from segbench.runs.failures import as_refusal
from segbench.runs.signals import stop_signals
from segbench.team import Team, team_of, team_of_starter

log = logging.getLogger("segbench")


def follows(cfg: DictConfig) -> bool:
    """Take part in a run, if this is a process of it that a launcher has started and that does not lead.

    Args:
        cfg: The configuration, valid by its schema; what counts is that of the process that leads.

    Raises:
        ConfigError: If it does not fit the launcher.
        SystemExit: If the run failed.
    """
    team = team_of(cfg)
    if team is None or team.rank == 0:
        return False
    team.meet()
    if code := follow(team):
        sys.exit(code)
    return True


def follow(team: Team) -> int:
    """Do what the process that leads says, in a team that has met; return the exit code."""
    logging.getLogger().setLevel(logging.ERROR)
    orders: Orders | None = None
    try:
        with stop_signals():
            orders = from_first(None)
            if orders is not None:
                _take_part(orders, team)
    except BaseException as error:
        cause = as_refusal(team.watch.cause(error), Path() if orders is None else orders.run)
        if not isinstance(cause, SegbenchError):
            traceback.print_exc()
        team.leave(cause)
        return getattr(cause, "exit_code", 1)
    team.leave()
    return 0


def _take_part(orders: Orders, team: Team) -> None:
    cfg, run = orders.cfg, RunDirectory(orders.run)
    prepare_torch(cfg)
    if orders.threads is not None:
        torch.set_num_threads(orders.threads)
    data = build_data(cfg)
    task = build_task(cfg, data, restored=orders.resume is not None)
    read_data(data, task)
    if image_digest(data) != orders.images:
        raise DataError(f"{data.place}: process {team.rank} finds other images there than the first; copy the same")
    resume_from = None if orders.resume is None else await_file(*orders.resume)
    fitting = Fitting(cfg, run, orders.id, data, task, [], team)
    fitting.run(resume_from)


def main() -> int:
    """Follow the process that has started this one."""
    register()
    return follow(team_of_starter())


if __name__ == "__main__":
    sys.exit(main())
