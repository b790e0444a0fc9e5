"""What a sweeper that optimises is told."""

import json

import pytest
from omegaconf import OmegaConf

from segbench.errors import ConfigError, SegbenchError
from segbench.sweep.objective import check_objective, job_return, monitored_score

OPTUNA = "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper"
BASIC = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


def config(monitor="val/loss", target=OPTUNA, **sweeper):
    return OmegaConf.create({"trainer": {"monitor": monitor}, "hydra": {"sweeper": {"_target_": target, **sweeper}}})


@pytest.mark.parametrize(
    ("cfg", "said"),
    [
        (
            config("val/loss", direction="maximize"),
            "hydra.sweeper.direction=maximize: trainer.monitor=val/loss is better when lower",
        ),
        (
            config("val/dice", direction="minimize"),
            "hydra.sweeper.direction=minimize: trainer.monitor=val/dice is better when higher",
        ),
        (config("val/dice_bone loss", direction="minimize"), "is better when higher"),
        (config("val/dice", direction=["maximize", "minimize"]), "a run has one score to optimise, val/dice"),
        (config("val/dice", optim={"maximize": False}), "hydra.sweeper.optim.maximize=False"),
        (
            config("val/dice", ax_config={"experiment": {"minimize": True}}),
            "hydra.sweeper.ax_config.experiment.minimize=True",
        ),
        (config("last", direction="minimize"), "trainer.monitor=last: the sweeper needs a score to optimise"),
    ],
)
def test_a_direction_away_from_the_better_score_is_refused(cfg, said):
    with pytest.raises(ConfigError, match=said.replace(".", r"\.").replace("[", r"\[")):
        check_objective(cfg)


@pytest.mark.parametrize(
    "cfg", [config("val/loss", direction="minimize"), config("val/dice", direction="maximize"), config("last", BASIC)]
)
def test_the_direction_of_the_monitored_score_is_taken(cfg):
    check_objective(cfg)


@pytest.fixture
def run(tmp_path):
    (tmp_path / "summary.json").write_text(json.dumps({"best": {"epoch": 3, "value": 0.25, "monitor": "val/loss"}}))
    return tmp_path


def test_a_sweeper_gets_the_monitored_score_and_never_an_exit_code(run):
    assert monitored_score(run) == 0.25
    result = job_return(config(), [], run, {"exit_code": 0, "reason": None})
    assert result.return_value == 0.25


def test_a_failed_job_has_no_score_for_a_sweeper_that_optimises(run):
    with pytest.raises(SegbenchError, match="the loss diverged"):
        _ = job_return(config(), [], run, {"exit_code": 4, "reason": "the loss diverged"}).return_value


def test_a_failed_job_does_not_end_a_sweep_over_listed_values(run):
    assert job_return(config(target=BASIC), [], run, {"exit_code": 4, "reason": "diverged"}).return_value is None
