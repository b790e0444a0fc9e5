"""Lightning's trainer, whatever the environment says of other processes."""

import pandas as pd
import pytest
from lightning_fabric.utilities.rank_zero import rank_zero_only
from pytorch_lightning.trainer.states import TrainerFn

from segbench.trainer import build_trainer

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


@pytest.mark.parametrize("variables", [SLURM, ELASTIC])
def test_a_run_is_one_process_by_itself_whoever_started_it(tiny, tmp_path, monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(rank_zero_only, "rank", 3)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hpc_ckpt_1.ckpt").write_bytes(b"of another run")
    trainer = build_trainer(tiny(tmp_path), [], [])
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
