"""Lightning's trainer, whatever the environment says of other processes."""

import logging

import pandas as pd
import pytest
import torch
from lightning_fabric.utilities.rank_zero import rank_zero_only
from omegaconf import open_dict
from pytorch_lightning.trainer.states import TrainerFn

from segbench.errors import ConfigError
from segbench.runs.identity import run_id
from segbench.trainer import build_trainer, prepare_card

SLURM = {
    "SLURM_JOB_ID": "7",
    "SLURM_JOB_NAME": "train",
    "SLURM_NTASKS": "4",
    "SLURM_NTASKS_PER_NODE": "4",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "3",
    "SLURM_NODEID": "0",
    "SLURM_JOB_NODELIST": "nowhere",
}
ELASTIC = {
    "TORCHELASTIC_RUN_ID": "none",
    "RANK": "1",
    "LOCAL_RANK": "1",
    "GROUP_RANK": "0",
    "WORLD_SIZE": "2",
    "LOCAL_WORLD_SIZE": "2",
}


# As of sbatch --ntasks=2, which Lightning refuses: it wants them per node.
NTASKS = {name: value for name, value in SLURM.items() if name != "SLURM_NTASKS_PER_NODE"} | {"SLURM_NTASKS": "2"}


@pytest.mark.parametrize("variables", [SLURM, NTASKS, ELASTIC])
def test_a_run_is_one_process_by_itself_whoever_started_it(tiny, tmp_path, monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(rank_zero_only, "rank", 3)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hpc_ckpt_1.ckpt").write_bytes(b"of another run")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "hpc_ckpt_2.ckpt").write_bytes(b"of another run")
    trainer = build_trainer(tiny(tmp_path), [], [], tmp_path / "run")
    assert trainer.default_root_dir == str(tmp_path / "run")
    assert (trainer.global_rank, trainer.world_size, trainer.is_global_zero) == (0, 1, True)
    assert rank_zero_only.rank == 0
    connector = trainer._checkpoint_connector
    assert connector._parse_ckpt_path(TrainerFn.FITTING, None, True, True) is None
    assert connector._hpc_resume_path is None


@pytest.mark.slow
def test_a_run_in_a_job_of_slurm_is_the_run_that_it_is_elsewhere(fresh_program, tmp_path):
    tiny = ("data.subjects=6", "data.slices=2", "data.size=[32,32]", "model.width=2", "trainer.max_epochs=1")
    for name, variables in (("elsewhere", {}), ("slurm", SLURM)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "hpc_ckpt_1.ckpt").write_bytes(b"of another run")
        result = fresh_program("run.py", *tiny, folder=tmp_path / name, **variables)
        assert result.returncode == 0, result.stderr
        assert {path.name for path in (tmp_path / name).iterdir()} == {"hpc_ckpt_1.ckpt", "outputs"}
    elsewhere, slurm = (next((tmp_path / name).rglob("scores.parquet")) for name in ("elsewhere", "slurm"))
    assert elsewhere.parent.name == slurm.parent.name
    pd.testing.assert_frame_equal(pd.read_parquet(elsewhere), pd.read_parquet(slurm))
    assert sorted(path.name for path in elsewhere.parent.iterdir()) == sorted(
        path.name for path in slurm.parent.iterdir()
    )


CARDS = {"an old card": (6, 1), "a card": (7, 5), "a new card": (9, 0)}


@pytest.fixture
def card(monkeypatch):
    """Move to a machine with a card; its settings of torch are undone."""

    def moved(name):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: name)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: CARDS[name])

    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    yield moved
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@pytest.mark.parametrize(
    ("name", "overrides", "line"),
    [
        ("a new card", [], "precision 32, float32 in full, kernels that repeat to the bit"),
        ("a new card", ["trainer.tf32=true"], "precision 32, TF32, kernels that repeat to the bit"),
        (
            "a card",
            ["trainer.tf32=true", "trainer.compile=reduce-overhead", "trainer.cudnn_benchmark=true"],
            "precision 32, float32 in full (no TF32 before compute capability 8.0), kernels chosen by time, "
            "compiled (reduce-overhead)",
        ),
    ],
)
def test_what_a_card_does_of_what_is_asked_is_one_line(compose, card, caplog, name, overrides, line):
    caplog.set_level(logging.INFO, "segbench")
    card(name)
    prepare_card(compose(*overrides))
    major, minor = CARDS[name]
    assert caplog.messages == [f"{name}, compute capability {major}.{minor}: {line}"]
    assert torch.backends.cudnn.allow_tf32 is torch.backends.cuda.matmul.allow_tf32 is ("TF32," in line)


@pytest.mark.slow
def test_what_a_card_cannot_compile_is_refused_and_a_processor_had_better_not(compose, card, caplog):
    with pytest.raises(
        ConfigError, match=r"trainer.compile=max-autotune: needs a CUDA device; use trainer.compile=true"
    ):
        prepare_card(compose("trainer.compile=max-autotune", "trainer.accelerator=cpu"))
    prepare_card(compose("trainer.compile=true", "trainer.accelerator=cpu"))
    (line,) = caplog.messages
    assert line.startswith("trainer.compile=true: minutes before the first step, and steps no faster, on a processor")
    card("an old card")
    with pytest.raises(ConfigError, match=r"^trainer.compile=True: an old card, compute capability 6.1, and torch"):
        prepare_card(compose("trainer.compile=true"))


@pytest.mark.slow
def test_what_a_card_is_told_is_part_of_a_run_only_where_it_is_told(compose):
    before = run_id(compose("data=cells"))
    assert run_id(compose("data=cells", "trainer.tf32=true")) != before
    stored = compose("data=cells")
    with open_dict(stored):
        del stored.trainer["tf32"], stored.trainer["cudnn_benchmark"]
    assert run_id(stored) == before
