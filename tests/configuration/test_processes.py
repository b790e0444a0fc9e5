"""Several processes where a part may be silently wrong in them, or a launcher has started others, are refused."""

import socket
import time

import pytest
import torch
from pytorch_lightning.callbacks import LearningRateMonitor
from tests.spread import FORK
from torch import distributed

from segbench.configuration.processes import check_processes
from segbench.data.phantom import PhantomData
from segbench.errors import ConfigError, LostProcess
from segbench.losses import DiceLoss
from segbench.runs.identity import run_id
from segbench.team import started_by, team_of

TWO = ("trainer.devices=2", "trainer.strategy=ddp")


class HalfDice(DiceLoss):
    """A loss of somebody's own."""


class SharedDice(DiceLoss):
    several_processes = True


class Heir(SharedDice):
    """What it inherits says nothing of what it adds."""


@pytest.mark.parametrize("part", [HalfDice, HalfDice(), Heir])
def test_a_class_of_one_s_own_that_does_not_say_that_it_works(compose, part):
    check_processes(compose(), {"loss": part})
    with pytest.raises(ConfigError, match=r"loss: \w+ does not say .* use trainer.devices=1, or say several_processes"):
        check_processes(compose(*TWO), {"loss": part})


def test_classes_that_are_made_for_it(compose):
    check_processes(compose(*TWO), {"loss": SharedDice, "data": PhantomData, "callbacks.rate": LearningRateMonitor()})


def test_one_device_that_cannot_be_several(compose):
    with pytest.raises(ConfigError, match=r"^trainer.devices=2: Apple"):
        check_processes(compose(*TWO, "trainer.accelerator=mps"), {})


@pytest.mark.slow
def test_another_number_than_the_launcher_has_started(compose, monkeypatch):
    with pytest.raises(ConfigError, match=r"trainer.num_nodes=2: start several machines by torchrun or srun"):
        started_by(compose(*TWO, "trainer.num_nodes=2"))
    for name, value in {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "3", "RANK": "1", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=r"trainer.devices=2: torchrun has started 3 processes, .* is 2; make them"):
        started_by(compose(*TWO))
    assert team_of(compose()) is None
    team = team_of(compose("trainer.devices=3"))
    assert (team.rank, team.size, team.starts_others) == (1, 3, False)


def test_a_step_of_slurm_is_several_processes_and_a_job_of_several_tasks_is_not(compose, monkeypatch):
    for name, value in {
        "SLURM_NTASKS": "2",
        "SLURM_JOB_NAME": "train",
        "SLURM_PROCID": "1",
        "SLURM_LOCALID": "1",
    }.items():
        monkeypatch.setenv(name, value)
    # In the script itself there is one process, which starts the others.
    assert team_of(compose(*TWO)).starts_others
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    with pytest.raises(ConfigError, match=r"^trainer.devices=2: .* give it --ntasks-per-node=2$"):
        team_of(compose(*TWO))
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "2")
    team = team_of(compose(*TWO))
    assert (team.rank, team.size, team.starts_others) == (1, 2, False)


@pytest.fixture
def task_of_slurm(compose, monkeypatch):
    """The team of one of two tasks that srun has started, which waits for the other one for 0.6 s."""

    def started(rank, port, *overrides):
        variables = {"NTASKS": "2", "STEP_NUM_TASKS": "2", "NTASKS_PER_NODE": "2", "PROCID": rank, "LOCALID": rank}
        for name, value in variables.items():
            monkeypatch.setenv(f"SLURM_{name}", str(value))
        monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
        monkeypatch.setenv("MASTER_PORT", str(port))
        return team_of(compose(*TWO, "trainer.rendezvous_minutes=0.01", *overrides))

    return started


def test_tasks_are_spread_over_machines_as_the_configuration_says(task_of_slurm, monkeypatch):
    monkeypatch.setenv("SLURM_NNODES", "1")
    monkeypatch.setenv("SLURM_NODEID", "0")
    assert task_of_slurm(1, 1).rank == 1
    with pytest.raises(ConfigError, match=r"^trainer.devices=1: .*tasks per node.* does not match"):
        task_of_slurm(1, 1, "trainer.devices=1", "trainer.num_nodes=2")


@pytest.fixture
def port():
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.mark.slow
@pytest.mark.parametrize(("rank", "why"), [(0, "process 1 has not come"), (1, ".*timed out.*")])
def test_whoever_waits_in_vain_says_where_for_how_long_and_what_to_look_at(task_of_slurm, port, rank, why):
    with pytest.raises(
        LostProcess,
        match=rf"^process {rank} of 2: no meeting at 127.0.0.1:{port} within trainer.rendezvous_minutes=0.01 \({why}\);"
        r" see what the others say, .*firewall, MASTER_ADDR, MASTER_PORT, GLOO_SOCKET_IFNAME\); run the same command again$",
    ):
        task_of_slurm(rank, port).meet()


def meets(rank, team, folder):
    """Meet the other process, and take longer afterwards than it might have waited before."""
    team.meet()
    if rank:
        time.sleep(6.5)
    total = torch.ones(1)
    distributed.all_reduce(total)
    (folder / str(rank)).write_text(str(total.item()))
    team.leave()


@pytest.mark.slow
def test_who_has_met_is_waited_for_longer(task_of_slurm, port, tmp_path):
    teams = [task_of_slurm(rank, port, "trainer.rendezvous_minutes=0.1") for rank in range(2)]
    processes = [FORK.Process(target=meets, args=(rank, team, tmp_path)) for rank, team in enumerate(teams)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [(tmp_path / str(rank)).read_text() for rank in range(2)] == ["2.0", "2.0"]


@pytest.mark.slow
def test_the_number_of_processes_is_in_no_name_but_that_of_separate_statistics_is(compose):
    assert run_id(compose(*TWO)) == run_id(compose())
    separate = "trainer.sync_batchnorm=false"
    alone, two, on_two_machines = (run_id(compose(separate, *more)) for more in ((), TWO, ("trainer.num_nodes=2",)))
    assert len({run_id(compose()), alone, two}) == 3
    assert two == on_two_machines
