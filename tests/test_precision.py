"""A precision that the machine decides on is found, said, recorded, and part of the run's identity."""

import json
import logging

import pytest
from omegaconf import OmegaConf

from segbench import environment
from segbench.reporting.collection.factors import other_differences
from segbench.reporting.collection.runs import read_run
from segbench.runs.identity import run_id


@pytest.fixture
def machine(monkeypatch):
    """Move to a machine whose processor has bfloat16, or lacks it."""

    def moved(has):
        monkeypatch.setattr(environment, "processor_has_bfloat16", lambda: has)
        monkeypatch.setattr(environment, "processor_name", lambda: "Some CPU")

    return moved


@pytest.mark.slow
def test_a_run_is_identified_by_the_precision_that_is_found(tiny, tmp_path, machine):
    ids = {precision: run_id(tiny(tmp_path, f"trainer.precision={precision}")) for precision in ("32", "bf16-mixed")}
    for has, used in ((True, "bf16-mixed"), (False, "32")):
        machine(has)
        assert run_id(tiny(tmp_path, "trainer.precision=auto")) == ids[used]
    assert ids["32"] != ids["bf16-mixed"]


@pytest.mark.slow
def test_what_is_found_is_said_and_recorded_and_never_changed_on_another_machine(run, tiny, tmp_path, machine, caplog):
    caplog.set_level(logging.INFO, "segbench")
    cfg, runs, lines = tiny(tmp_path, "trainer.precision=auto", "trainer.max_epochs=1"), {}, {}
    for has, used in ((False, 32), (True, "bf16-mixed")):
        machine(has)
        caplog.clear()
        runs[used] = tmp_path / "runs" / f"phantom-{run_id(cfg)}"
        run(cfg, runs[used])
        lines[used] = caplog.messages
        assert OmegaConf.load(runs[used] / "config.yaml").trainer.precision == used
        said = f"Some CPU {'has' if has else 'lacks'} bfloat16"
        assert f"trainer.precision=auto: {used}, as {said}" in lines[used]
        kept = json.loads((runs[used] / "run.json").read_text())["precision"]
        assert kept == {"asked": "auto", "used": used, "reason": said}
    # The same command on another machine is another run, and says so.
    assert runs[32] != runs["bf16-mixed"]
    assert f"{runs[32]}: begun with trainer.precision=32 elsewhere; type that to go on with it" in lines["bf16-mixed"]
    # A report does not take one for the other.
    assert other_differences([read_run(path) for path in runs.values()], ["model"]) == ["trainer.precision"]


def test_a_precision_that_is_slow_here_is_said_but_kept(run, tiny, tmp_path, machine, caplog):
    from segbench.trainer import check_precision

    machine(False)
    check_precision(tiny(tmp_path, "trainer.precision=bf16-mixed"))
    assert caplog.messages == [
        "trainer.precision=bf16-mixed: Some CPU lacks bfloat16, 32 would be several times faster"
    ]
    machine(True)
    check_precision(tiny(tmp_path, "trainer.precision=bf16-mixed"))
    assert len(caplog.messages) == 1
