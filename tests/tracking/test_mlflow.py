"""MLflow, read back by its own client."""

import json

import numpy as np
import pandas as pd
import pytest

import segbench.train
from segbench import tracking
from segbench.errors import ConfigError, DataError

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def installed():
    """Imported only where it is tried: it takes a second."""
    pytest.importorskip("mlflow")


def stored(folder, experiment):
    import mlflow

    client = mlflow.MlflowClient(f"file:{folder}/mlruns")
    return client, client.search_runs([client.get_experiment_by_name(experiment).experiment_id])


def names(client, run, folder):
    return sorted(item.path for item in client.list_artifacts(run.info.run_id, folder))


def test_a_run_goes_on_as_the_same_with_each_epoch_once(run, tiny, tmp_path, monkeypatch):
    cfg = tiny(tmp_path, "logger=mlflow", "~logger.tensorboard", "callbacks.panels.every_n_epochs=1")
    with monkeypatch.context() as patch:
        patch.setattr(segbench.train, "write_scores", lambda *_: (_ for _ in ()).throw(DataError("stop here")))
        with pytest.raises(DataError):
            run(cfg, tmp_path / "run", "a/b")
    client, (failed,) = stored(tmp_path, "a/b")
    assert failed.info.status == "FAILED"
    # One epoch that MLflow has lost is sent again.
    place = next((tmp_path / "mlruns").rglob("metrics/epoch"))
    place.write_text("".join(place.read_text().splitlines(keepends=True)[:2]))
    cfg.trainer.progress = "lines"
    cfg.trainer.checkpoint_minutes = 3.0  # a setting that is not what it was, and that MLflow would refuse
    summary = run(cfg, tmp_path / "run", "a/b")

    client, (found,) = stored(tmp_path, "a/b")
    assert (found.info.run_name, found.info.status, found.info.run_id) == ("run", "FINISHED", failed.info.run_id)
    assert found.data.params["trainer.max_epochs"] == "3"
    assert found.data.tags["kind"] == "run"
    assert found.data.metrics["final/dice"] == pytest.approx(summary["scores"]["test"]["dice"])
    assert found.data.metrics["best/epoch"] == summary["best"]["epoch"]
    curves = pd.read_csv(tmp_path / "run" / "metrics.csv")
    points = client.get_metric_history(found.info.run_id, "epoch")
    assert [point.value for point in points] == [1, 2, 3]
    points = {point.step: point.value for point in client.get_metric_history(found.info.run_id, "val/dice")}
    np.testing.assert_allclose([points[step] for step in curves["step"]], curves["val/dice"])
    pictures = names(client, found, f"predictions/{curves['step'].iloc[0]:07d}")
    assert [path.rpartition("/")[2] for path in pictures[:3]] == ["0_image.png", "0_prediction.png", "0_truth.png"]


def test_a_comparison_is_kept_in_place_of_the_one_before(compose, tmp_path, comparison):
    cfg = compose("logger=mlflow", "~logger.tensorboard", f"paths.outputs={tmp_path}")
    for _ in range(2):
        tracking.log_comparison(cfg, tmp_path / "mirror", *comparison)
    client, (found,) = stored(tmp_path, "exp")
    assert found.data.tags["kind"] == "comparison"
    assert names(client, found, "comparison") == [
        f"comparison/{name}" for name in ("answer.txt", "curves.png", "table.csv")
    ]
    assert json.loads((tmp_path / "mirror" / "mirror.json").read_text())["comparisons"] == 2


def test_a_store_that_is_none_is_refused_in_one_line(compose, tmp_path):
    (tmp_path / "mlruns").write_text("")
    cfg = compose("logger=mlflow", "~logger.tensorboard", f"paths.outputs={tmp_path}")
    with pytest.raises(ConfigError, match=r"^logger\.mlflow\.tracking_uri: .*mlruns"):
        tracking.build_loggers(cfg, tmp_path / "run", {"experiment": "exp", "wandb_id": "x"}, "val/dice")
