"""The processes that train one run together: how they come to be, find each other, and end together.

Three ways: the first process starts the others on its machine; ``torchrun`` has started all of them; ``srun`` has. The
first reads the command, refuses what is wrong, holds the run directory and writes every file; what the others are to
do they hear from it (:mod:`segbench.following`), so nothing is decided twice.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from lightning_fabric.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from omegaconf import DictConfig
from torch import distributed

from segbench.environment import CORES, usable_cores
from segbench.errors import ConfigError, LostProcess
from segbench.processes import from_first
from segbench.runs.signals import held_back, tied
from segbench.watch import Watch
from segbench.words import first_line

log = logging.getLogger("segbench")
# Of a collective operation. Whoever is gone is noticed otherwise; whoever prepares data for an hour is not gone.
_PATIENCE = timedelta(days=1)
_POLL_SECONDS = 0.1
# How long a process that has done its work may take to end.
_END_SECONDS = 60.0
_HERE, _LOOPBACK = "127.0.0.1", "lo0" if sys.platform == "darwin" else "lo"
# Tells a process that is started here its number, that of all, where they meet, whether they have cards, and for how
# many minutes each waits for the others.
_PLACE = "SEGBENCH_PROCESS"


class _OwnEnvironment(LightningEnvironment):
    """Processes of one machine that segbench starts itself: Lightning is to start none."""

    creates_processes_externally = True

    def __init__(self, rank: int) -> None:
        super().__init__()
        self._rank = rank
        self.set_global_rank(rank)

    def local_rank(self) -> int:
        """Return the process's number on its machine, the only one."""
        return self._rank

    def node_rank(self) -> int:
        """Return the machine's number."""
        return 0


def processes_asked(cfg: DictConfig) -> int:
    """Return how many processes a configuration trains by."""
    devices: int = cfg.trainer.devices
    return devices * int(cfg.trainer.num_nodes)


def started_by(cfg: DictConfig) -> ClusterEnvironment | None:
    """Return the environment of the launcher that has started all processes of a run; None if none has.

    Raises:
        ConfigError: If a launcher has started another number of them than the configuration asks for, in all or on a
            machine, or there is none though there are several machines.
    """
    asked = processes_asked(cfg)
    if not in_team(cfg):
        return None
    found: ClusterEnvironment | None = None
    if TorchElasticEnvironment.detect():
        found, name = TorchElasticEnvironment(), "torchrun"
    elif int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        try:
            found, name = SLURMEnvironment(auto_requeue=False), "srun"
        except RuntimeError:
            # Lightning's refusal, which names a batch script.
            raise ConfigError(
                f"trainer.devices={cfg.trainer.devices}: srun has been told --ntasks alone; give it "
                f"--ntasks-per-node={cfg.trainer.devices}"
            ) from None
    if found is None:
        if cfg.trainer.num_nodes > 1:
            raise ConfigError(f"trainer.num_nodes={cfg.trainer.num_nodes}: start several machines by torchrun or srun")
        return None
    if found.world_size() != asked:
        raise ConfigError(
            f"trainer.devices={cfg.trainer.devices}: {name} has started {found.world_size()} processes, but "
            f"trainer.devices times trainer.num_nodes is {asked}; make them equal"
        )
    try:
        found.validate_settings(cfg.trainer.devices, cfg.trainer.num_nodes)
    except ValueError as error:
        raise ConfigError(f"trainer.devices={cfg.trainer.devices}: {first_line(error)}") from None
    return found


def in_team(cfg: DictConfig) -> bool:
    """Say whether a run is trained by several processes, or by one in the way of several (``trainer.strategy=ddp``)."""
    return processes_asked(cfg) > 1 or cfg.trainer.strategy == "ddp"


def uses_cuda(accelerator: str) -> bool:
    """Say whether a run with this ``trainer.accelerator`` computes on graphics cards of NVIDIA's."""
    return accelerator in ("gpu", "cuda") or (accelerator == "auto" and torch.cuda.is_available())


class Team:
    """The processes of a run, seen by one of them.

    Args:
        environment: What numbers them.
        size: How many they are.
        cuda: Whether tensors on graphics cards are exchanged.
        minutes: How long each waits for the others at the beginning, as a cluster may start them one after the other.

    Attributes:
        rank: This process's number, from 0; the first one leads.
        watch: What notices that another has ended.
    """

    def __init__(self, environment: ClusterEnvironment, size: int, cuda: bool, minutes: float) -> None:
        self.environment, self.size, self.cuda, self.minutes = environment, size, cuda, minutes
        self.rank = environment.global_rank()
        self.watch = Watch(self.rank, size)
        self._children: list[subprocess.Popen[bytes]] = []
        self._met = self._left = False
        self._cores: str | None = None

    @property
    def starts_others(self) -> bool:
        """Whether the first process starts the others; else a launcher has."""
        return isinstance(self.environment, _OwnEnvironment)

    def meet(self) -> None:
        """Meet the other processes, which the first one may have to start, and begin to watch over each other.

        Raises:
            LostProcess: If one of them does not come.
        """
        if not self.starts_others:
            address, port = self.environment.main_address, self.environment.main_port
            # torchrun listens itself.
            listens = self.rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
            with self._in_time(f"{address}:{port}"):
                self._join(self._store(address, port, listens), address)
            return
        os.environ.setdefault("GLOO_SOCKET_IFNAME", _LOOPBACK)
        # Each loads images by its share of the cores.
        self._cores = os.environ.get(CORES)
        os.environ[CORES] = str(max(1, usable_cores() // self.size))
        with self._in_time(_HERE):
            # The kernel chooses the port.
            store = self._store(_HERE, 0, listens=True)
            with held_back():
                self._children = [self._start(rank, store.port) for rank in range(1, self.size)]
            self._join(store, _HERE)

    @contextmanager
    def _in_time(self, place: str) -> Iterator[None]:
        """Say in one line where and why processes have not met in the block, whatever torch says."""
        try:
            yield
        except (RuntimeError, OSError) as error:
            who, limit = f"process {self.rank} of {self.size}", f"trainer.rendezvous_minutes={self.minutes:g}"
            raise LostProcess(
                f"{who}: no meeting at {place} within {limit} ({first_line(error).rstrip('.')}); see what the others"
                " say, and whether their machines reach the first one's (firewall, MASTER_ADDR, MASTER_PORT,"
                " GLOO_SOCKET_IFNAME); run the same command again"
            ) from error

    def _store(self, address: str, port: int, listens: bool) -> distributed.TCPStore:
        given = (address, port, self.size, listens, timedelta(minutes=self.minutes))
        return distributed.TCPStore(*given, wait_for_workers=False, multi_tenant=not self.starts_others)

    def _start(self, rank: int, port: int) -> subprocess.Popen[bytes]:
        """Start another process on this machine: a session of its own, as the first alone is to be signalled."""
        place = f"{rank} {self.size} {port} {int(self.cuda)} {self.minutes}"
        return subprocess.Popen(
            tied([sys.executable, "-P", "-m", "segbench.following"], signal.SIGKILL),
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), _PLACE: place},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def meet_starter(self, port: int) -> None:
        """Meet the process that has started this one."""
        with self._in_time(f"{_HERE}:{port}"):
            self._join(self._store(_HERE, port, listens=False), _HERE)

    def _join(self, store: distributed.Store, address: str) -> None:
        """Become a member of the process group, and watch over the others."""
        store.set(f"here {self.rank}", "yes")
        self._wait_for_all(store)
        if self.cuda:
            torch.cuda.set_device(self.environment.local_rank())
        backend, coming = "cpu:gloo,cuda:nccl" if self.cuda else "gloo", timedelta(minutes=self.minutes)
        distributed.init_process_group(backend, store=store, rank=self.rank, world_size=self.size, timeout=coming)
        self._met = True
        self.watch.begin(address, self._children)
        distributed.distributed_c10d._set_pg_timeout(_PATIENCE)

    def _wait_for_all(self, store: distributed.Store) -> None:
        """Wait until all are there: torch's own waiting ends for no signal, nor when one has ended before it came."""
        missing, until = list(range(self.size)), time.monotonic() + self.minutes * 60
        while missing := [rank for rank in missing if not store.check([f"here {rank}"])]:
            if ended := [child.returncode for child in self._children if child.poll() is not None]:
                why = f"ended with code {ended[0]} before it began"
                raise LostProcess(f"process {missing[0]} of {self.size} {why}; run the same command again")
            if time.monotonic() > until:
                raise TimeoutError(f"process {missing[0]} has not come")
            time.sleep(_POLL_SECONDS)

    def leave(self, error: BaseException | None = None) -> None:
        """End what they have in common, and with an error all others.

        Args:
            error: Why this process ends, if not because its work is done.
        """
        if self._left:
            return
        self._left = True
        if self._children:
            os.environ.pop(CORES, None)
            os.environ.update({} if self._cores is None else {CORES: self._cores})
        self.watch.end(error)
        for child in self._children:
            try:
                child.wait(_END_SECONDS if error is None else 0)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        # Not after an error: it would wait for those that are gone.
        if error is None and distributed.is_initialized():
            distributed.destroy_process_group()

    def dismiss(self) -> None:
        """Let the others go, if there are any yet, as there is nothing to do for them."""
        if self._met:
            from_first(None)
        self.leave()


def team_of(cfg: DictConfig) -> Team | None:
    """Return the team of a run's process, which it has yet to meet; None if it trains alone.

    Raises:
        ConfigError: As :func:`started_by`.
    """
    if not in_team(cfg):
        return None
    environment = started_by(cfg) or _OwnEnvironment(0)
    cuda = uses_cuda(cfg.trainer.accelerator)
    return Team(environment, processes_asked(cfg), cuda, cfg.trainer.rendezvous_minutes)


def team_of_starter() -> Team:
    """Return the team of a process that another has started (:meth:`Team.meet`), and meet it."""
    *numbers, minutes = os.environ[_PLACE].split()
    rank, size, port, cuda = map(int, numbers)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", _LOOPBACK)
    team = Team(_OwnEnvironment(rank), size, bool(cuda), float(minutes))
    team.meet_starter(port)
    return team


@contextmanager
def joined_team(cfg: DictConfig) -> Iterator[Team | None]:
    """Have the team of a run's first process in the block: met where a launcher has started it, else yet to be started.

    Raises:
        ConfigError: As :func:`started_by`.
    """
    team = team_of(cfg)
    if team is None:
        yield None
        return
    if not team.starts_others:
        team.meet()
    try:
        yield team
    except BaseException as error:
        team.leave(error)
        raise
    team.leave()
