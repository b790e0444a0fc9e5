"""segbench from Python: the same runs and comparisons as the commands'."""

import json
import runpy
import sys

import numpy as np
import pytest
import torch
from tests.conftest import TINY

from segbench import api
from segbench.errors import ConfigError, DataError


def test_what_the_command_line_refuses_is_refused_in_the_same_words(tmp_path, monkeypatch):
    # A script has arguments of its own.
    monkeypatch.setattr(sys, "argv", ["script.py", "--config-dir", "nowhere"])
    with pytest.raises(ConfigError, match=r"^model.encodr: model=smp has no such key; did you mean model.encoder\?$"):
        api.compose("model=smp", "model.encodr=x")
    with pytest.raises(ConfigError, match=r"^model=attnet: no such choice; did you mean attunet\?$"):
        api.compose("model=attnet")
    with pytest.raises(ConfigError, match=r"model.* several values"):
        api.compose("model=unet,attunet")
    with pytest.raises(ConfigError, match=r"^decide=true: for the command alone; compose makes one configuration"):
        api.compose("decide=true", "model=unet")
    with pytest.raises(ConfigError, match=r"^config_dir=nowhere: no such folder$"):
        api.compose(config_dir="nowhere")
    with pytest.raises(ConfigError, match=r"no runs here$"):
        api.compare(tmp_path)
    cfg = api.compose(f"paths.outputs={tmp_path}")
    cfg.optimizer.lr = -1
    with pytest.raises(ConfigError, match=r"^optimizer.lr=-1: should be greater than 0$"):
        api.train(cfg)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_run_of_python_is_the_command_s(program, tmp_path):
    """The command finds it finished; and what is shown of it is what the page has."""
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "small.yaml").write_text("_target_: segbench.models.UNet\nwidth: 2\n")
    words = [word for word in TINY if not word.startswith("model.")]
    words += [f"paths.outputs={tmp_path}/o", "model=small", "~callbacks.panels"]
    cfg = api.compose(*words, config_dir=tmp_path / "conf")
    threads = torch.get_num_threads()
    cfg.trainer.threads = threads + 1
    run = api.train(cfg)
    # The next run is the command's, too.
    assert torch.get_num_threads() == threads
    done = program("run.py", "--config-dir", str(tmp_path / "conf"), *words)
    assert (done.returncode, "already done" in done.stderr) == (0, True), done.stderr
    assert len((run.directory / "train.log").read_text().splitlines()) > 3
    assert json.loads((run.directory / "run.json").read_text())["config_dir"] == str(tmp_path / "conf")
    assert 0 <= run.scores["test"]["dice"] <= 1
    comparison = api.compare(run)
    assert comparison.numbers.dice_mean[0] == pytest.approx(comparison.rows[0].scores["dice"].mean)
    assert comparison.answer in comparison.report()[0].read_text() + str(comparison)
    predict = api.Predictor.load(run)
    image = np.random.default_rng(0).integers(0, 256, (40, 33), np.uint8)
    assert (predict(image).shape, predict(image).dtype) == ((40, 33), np.uint8)
    with pytest.raises(DataError, match=r"^image: float64 \(40, 33\), but the network takes uint8 \(H,W,1\)$"):
        predict(image / 255)


@pytest.mark.slow
def test_the_notebook_runs_and_shows_what_is_stored_in_it(repository, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = runpy.run_path(str(repository / "docs" / "notebook.py"))
    stored = json.loads(script["NOTEBOOK"].read_text())
    notebook = json.loads(script["NOTEBOOK"].read_text())
    script["run"](notebook)
    kinds = [
        [
            [output["output_type"], sorted(output.get("data", ()))]
            for cell in found["cells"]
            for output in cell.get("outputs", ())
        ]
        for found in (stored, notebook)
    ]
    assert kinds[0] == kinds[1]
    shown = [
        output["data"]["text/html"]
        for cell in notebook["cells"]
        for output in cell.get("outputs", ())
        if "text/html" in output.get("data", ())
    ]
    assert "<table" in shown[0]
    assert any(word in shown[0] for word in ("Better.", "Alike.", "Undecided."))
    assert len(list((tmp_path / "outputs" / "runs").glob("phantom-*"))) == 6
