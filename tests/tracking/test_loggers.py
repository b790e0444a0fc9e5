"""What a run does with its loggers, whatever they are."""

import json
import threading

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning.loggers
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.tracking.reading import files, records

import segbench.train
from segbench import tracking
from segbench.errors import DataError
from segbench.tracking import loggers as module


@pytest.mark.slow
def test_a_comparison_is_mirrored_with_its_table_figures_and_answer(compose, tmp_path, offline, comparison):
    cfg = compose("logger=wandb")
    for _ in range(2):  # a later comparison goes on as the same run
        tracking.log_comparison(cfg, tmp_path / "mirror", *comparison)
    events = EventAccumulator(str(tmp_path / "mirror" / "tensorboard"), size_guidance={"images": 0})
    events.Reload()
    assert [event.step for event in events.Images("comparison/learning curves")] == [0, 1]
    assert [event.step for event in events.Tensors("comparison/answer/text_summary")] == [0, 1]
    text = events.Tensors("comparison/answer/text_summary")[-1].tensor_proto.string_val[0].decode()
    assert text == "unet scores above attunet"
    html = events.Tensors("comparison/table/text_summary")[-1].tensor_proto.string_val[0].decode()
    assert "<b>" not in html
    assert "0.9" in html
    # It is no run that HParams could rank.
    assert "_hparams_/session_start_info" not in events.Tags()["tensors"]
    first, second = files(tmp_path / "mirror")
    assert first.stem == second.stem
    recorded = json.dumps(records(first))
    for expected in ("unet scores above attunet", "comparison/table", "comparison/learning curves"):
        assert expected in recorded


class Own(pytorch_lightning.loggers.CSVLogger):
    """A logger of one's own, without any of the further methods."""


@pytest.mark.slow
def test_a_logger_of_one_s_own_gets_the_curves(run, tiny, tmp_path):
    cfg = tiny(tmp_path, "~logger.tensorboard", f"+logger.own._target_={__name__}.Own")
    run(cfg, tmp_path / "run")
    (path,) = (tmp_path / "run").rglob("lightning_logs/*/metrics.csv")
    curves = pd.read_csv(tmp_path / "run" / "metrics.csv")
    np.testing.assert_allclose(pd.read_csv(path)["val/dice"].dropna(), curves["val/dice"])


class Failing(Own):
    """A logger whose server is gone after the second epoch."""

    calls = 0

    def log_metrics(self, metrics, step=None):
        type(self).calls += 1
        if type(self).calls > 2:
            raise ConnectionError("no route to host\nafter 7 tries")


@pytest.mark.slow
def test_a_logger_that_fails_in_the_middle_is_left_and_the_run_goes_on(run, tiny, tmp_path, caplog):
    cfg = tiny(tmp_path, "~logger.tensorboard", f"+logger.own._target_={__name__}.Failing", "trainer.max_epochs=4")
    assert run(cfg, tmp_path / "run")["epochs"] == 4
    assert caplog.text.count("Failing: is told nothing more: no route to host; the run directory has everything") == 1
    assert Failing.calls == 3


@pytest.mark.slow
def test_a_logger_that_cannot_be_closed_hides_no_error_of_the_run(run, tiny, tmp_path, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("connection lost\nat last")

    monkeypatch.setattr(pytorch_lightning.loggers.TensorBoardLogger, "finalize", broken)
    monkeypatch.setattr(segbench.train, "_fit_and_evaluate", lambda *_: (_ for _ in ()).throw(DataError("its own")))
    with pytest.raises(DataError, match="its own"):
        run(tiny(tmp_path), tmp_path / "run")
    assert "TensorBoard: cannot close it: connection lost; the run directory has everything" in caplog.text


def test_a_thread_of_a_logger_that_fails_at_the_disk_is_said_in_one_line(caplog, capsys):
    for error, said in ((OSError(28, "No space left on device"), ""), (KeyError("x"), "KeyError: 'x'")):

        def fail(error=error):
            raise error

        before = threading.excepthook
        threading.excepthook = module._thread_failed
        try:
            thread = threading.Thread(target=fail)
            thread.start()
            thread.join()
        finally:
            threading.excepthook = before
        assert said in capsys.readouterr().err
    assert caplog.messages == [
        "a logger has stopped writing (No space left on device); the run directory has everything"
    ]
