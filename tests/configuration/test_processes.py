"""Several processes where a part may be silently wrong in them, or a launcher has started others, are refused."""

import pytest
from pytorch_lightning.callbacks import LearningRateMonitor
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


@pytest.mark.slow
def test_whoever_waits_in_vain_for_the_first_process_says_where_in_one_line(compose, monkeypatch):
    for name, value in {"SLURM_NTASKS": "2", "SLURM_PROCID": "1", "SLURM_LOCALID": "1", "MASTER_ADDR": "::1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_PORT", "1")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "2")
    alone = team_of(compose(*TWO))

    def rendezvous(*_, **__):
        raise distributed.DistNetworkError("timed out\nframe #1")

    monkeypatch.setattr(distributed, "rendezvous", rendezvous)
    with pytest.raises(
        LostProcess, match=r"^process 1 of 2: no meeting at \S+:\d+ \(timed out\); run the same command"
    ):
        alone.meet()


@pytest.mark.slow
def test_the_number_of_processes_is_in_no_name_but_that_of_separate_statistics_is(compose):
    assert run_id(compose(*TWO)) == run_id(compose())
    separate = "trainer.sync_batchnorm=false"
    alone, two, on_two_machines = (run_id(compose(separate, *more)) for more in ((), TWO, ("trainer.num_nodes=2",)))
    assert len({run_id(compose()), alone, two}) == 3
    assert two == on_two_machines
