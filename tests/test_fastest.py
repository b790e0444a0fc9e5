"""What trainer=fast leaves open is measured once, kept beside the runs, and known before a run has its name."""

import copy
import functools
import json
from types import SimpleNamespace

import pytest

from segbench import fastest
from segbench.configuration import composition
from segbench.configuration.machine import left_open
from segbench.errors import ConfigError, DataError
from segbench.runs.identity import run_id
from segbench.sweep.composing import Composer

DEFAULT = {"precision": 32, "channels_last": False, "compile": False}
HALF = {"precision": "bf16-mixed", "channels_last": True, "compile": False}
SMALL = ("trainer=fast", "model.width=4", "trainer.accelerator=cpu")


@pytest.fixture
def measured(monkeypatch):
    """Find one setting after the other without measuring; return the networks that were asked about."""
    asked, found = [], iter([HALF, DEFAULT, HALF])

    def measure(cfg):
        asked.append(cfg.model._target_.rpartition(".")[2])
        return {"trainer": next(found), "reason": "it is"}

    monkeypatch.setattr(fastest, "_measured_elsewhere", measure)
    return asked


@functools.cache
def known(overrides):
    return composition.compose([*SMALL, *overrides])


def composed(folder, *overrides):
    """Compose as the command line does, the same only once."""
    cfg = copy.deepcopy(known(overrides))
    cfg.paths.outputs = str(folder)
    return cfg


def test_the_choice_is_kept_and_the_run_is_the_one_that_says_it(tmp_path, measured, caplog):
    caplog.set_level("INFO", "segbench")
    first, again = composed(tmp_path), composed(tmp_path, "seed=5", "optimizer.lr=1e-4", "data.folds=3", "data.fold=1")
    fastest.settle(first)
    fastest.settle(again)
    typed = composed(tmp_path, "trainer=default", "trainer.precision=bf16-mixed", "trainer.channels_last=true")
    assert run_id(first) == run_id(typed)
    assert (again.trainer.precision, again.trainer.channels_last, again.trainer.compile) == ("bf16-mixed", True, False)
    assert measured == ["UNet"]
    kept = tmp_path / "runs" / "fastest.json"
    assert caplog.messages == [
        f"trainer=fast: it is; kept in {kept}",
        f"trainer=fast: bf16-mixed channels_last, as {kept} has it",
    ]
    assert [one["trainer"] for one in json.loads(kept.read_text()).values()] == [HALF]
    # Nothing is open any more, so nothing is asked for, and a configuration that leaves nothing open makes no file.
    fastest.settle(first)
    fastest.settle(composed(tmp_path / "other", "trainer=default"))
    assert measured == ["UNet"]
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_runs_of_a_named_experiment_share_it_and_other_networks_do_not(tmp_path, measured):
    for network in ("unet", "attunet"):
        fastest.settle(composed(tmp_path, f"model={network}"))
    assert measured == ["UNet", "AttentionUNet"]
    for network in ("unet", "attunet"):
        fastest.settle(composed(tmp_path, "experiment=cells/batch_size", "trainer=fast", f"model={network}"))
    assert len(measured) == 3


@pytest.mark.slow
def test_only_what_is_open_is_chosen(tmp_path, measured):
    assert fastest.choose(composed(tmp_path, "trainer.precision=32", "trainer.compile=false")) == {
        "trainer.channels_last": True
    }


def test_rows_of_a_sweep_share_it_and_their_jobs_are_told(tmp_path, measured):
    loader = SimpleNamespace(load_sweep_config=lambda _, overrides: composed(tmp_path, *overrides))
    composer = Composer(SimpleNamespace(config_loader=loader), None)
    jobs = [composer([f"model={network}"], number) for number, network in enumerate(("unet", "attunet"))]
    assert measured == ["UNet"]
    for config, overrides in jobs:
        assert overrides[1:] == ["trainer.precision=bf16-mixed", "trainer.channels_last=true", "trainer.compile=false"]
        assert not left_open(config)
    # A job that is told composes what the sweep has composed, and asks nobody.
    config, overrides = composer(jobs[1][1], 1)
    assert (run_id(config), overrides) == (run_id(jobs[1][0]), jobs[1][1])


def test_a_run_that_nobody_has_chosen_for_is_refused(run, tiny, tmp_path):
    with pytest.raises(
        ConfigError, match=r"^trainer.precision=fastest, trainer.channels_last=fastest, trainer.compile"
    ):
        run(tiny(tmp_path, "trainer=fast"), tmp_path / "run")


def timed(seconds, refused=(), before=0.0, steps=1, refusal=ConfigError):
    """Return what measures without: the seconds of a setting by its words."""

    def measure(setting):
        name = fastest.words(setting)
        if name in refused:
            raise refusal(f"{name}: not here")
        return fastest.Timed(seconds[name], before if setting["compile"] else 0.0, steps)

    return measure


@pytest.mark.parametrize(("half", "last", "expected"), [(0.4, 0.9, HALF), (0.96, 0.97, DEFAULT), (3.0, 1.2, DEFAULT)])
def test_another_setting_than_the_default_s_must_gain(monkeypatch, half, last, expected):
    monkeypatch.setattr(fastest, "_SECONDS", 0)
    candidates = [DEFAULT, DEFAULT | {"channels_last": True}, HALF]
    seconds = {"32": 1.0, "32 channels_last": last, "bf16-mixed channels_last": half}
    assert fastest.fastest(timed(seconds), candidates, False) == (expected, seconds)
    # One that cannot be trained is left out, whoever says so; without the default there is nothing to train.
    measure = timed(seconds, ["bf16-mixed channels_last"], refusal=RuntimeError)
    chosen, times = fastest.fastest(measure, candidates, False)
    assert chosen == (candidates[1] if last < 0.95 else DEFAULT)
    assert list(times) == ["32", "32 channels_last"]
    with pytest.raises(ConfigError, match="32: not here"):
        fastest.fastest(timed(seconds, ["32"]), candidates, False)


@pytest.mark.parametrize(("steps", "pays"), [(100, False), (1000, True)])
def test_compiling_must_pay_within_the_run(monkeypatch, steps, pays):
    monkeypatch.setattr(fastest, "_SECONDS", 0)
    measure = timed({"32": 1.0, "32 compile": 0.8}, before=60.0, steps=steps)
    chosen, _ = fastest.fastest(measure, [DEFAULT], True)
    assert chosen == DEFAULT | {"compile": pays}


def test_a_compiler_that_is_not_there_costs_nothing(monkeypatch, caplog):
    monkeypatch.setattr(fastest, "_SECONDS", 0)
    measure = timed({"32": 1.0}, ["32 compile"], refusal=RuntimeError)
    assert fastest.fastest(measure, [DEFAULT], True) == (DEFAULT, {"32": 1.0})
    assert caplog.messages == ["trainer=fast: 32 compile left out: 32 compile: not here"]


@pytest.mark.slow
def test_steps_of_the_run_itself_are_timed_and_its_refusals_are_those_of_the_run(tmp_path, caplog):
    caplog.set_level("INFO", "segbench")
    cfg = composed(
        tmp_path, "model.width=2", "data.size=[16,16]", "data.subjects=6", "data.slices=2", "trainer.precision=32"
    )
    fastest.settle(cfg)
    (kept,) = json.loads((tmp_path / "runs" / "fastest.json").read_text()).values()
    assert set(kept["seconds"]) == {"32", "32 channels_last"}
    assert all(0 < seconds < 60 for seconds in kept["seconds"].values())
    assert kept["trainer"]["channels_last"] is cfg.trainer.channels_last
    (line,) = caplog.messages
    assert line.startswith(f"trainer=fast: {fastest.words(cfg.trainer)}: ")
    with pytest.raises(DataError, match="nowhere"):
        fastest.settle(composed(tmp_path, "data=cells", f"data.root={tmp_path}/nowhere"))
