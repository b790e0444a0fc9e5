"""What the final evaluation scores."""

from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from segbench.final_evaluation import evaluate
from segbench.runs.run_callback import RunContext


@pytest.mark.parametrize(
    ("row", "seed", "scored"), [(None, 1000, ("val", "test")), ("a-row", 0, ("val", "test")), ("a-row", 1000, ())]
)
def test_a_trial_of_tuning_sees_no_test_images(tmp_path, row, seed, scored):
    asked = []
    task = SimpleNamespace(begin_evaluation=asked.append)
    data = SimpleNamespace(eval_dataloaders=lambda: {"val": None, "test": None})
    trainer = SimpleNamespace(test=lambda *_, **__: asked.append("tested"))
    cfg = OmegaConf.create({"seed": seed, "tuning": {"row": row, "seed": 1000}, "trainer": {"monitor": "val/loss"}})
    assert evaluate(RunContext(tmp_path, data, task, trainer), cfg).splits == scored
    assert asked == [scored, *(["tested"] if scored else [])]
