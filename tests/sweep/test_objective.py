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


SWEEPER = """
import json
from pathlib import Path
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper

class RateSweeper(Sweeper):
    def __init__(self, max_batch_size=None, params=None):
        pass
    def setup(self, *, hydra_context, task_function, config):
        self.folder = Path(config.hydra.sweep.dir)
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )
    def sweep(self, arguments):
        found = {}
        for number, rate in enumerate(("1e-3", "1e30", "1e-2")):
            (result,) = self.launcher.launch([[*arguments, f"optimizer.lr={rate}"]], initial_job_idx=number)
            try:
                found[rate] = result.return_value
            except Exception as error:
                found[rate] = type(error).__name__
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "found.json").write_text(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["processes", "basic"])
def test_a_sweeper_of_another_library_learns_scores_and_that_a_job_diverged(program, tmp_path, launcher):
    """As Hydra's sweepers by Optuna, Ax and Nevergrad ask: of one job after the other, by ``return_value``."""
    (tmp_path / "hydra_plugins").mkdir()
    (tmp_path / "hydra_plugins" / "rates.py").write_text(SWEEPER)
    asked = ["data.subjects=8", "data.slices=2", "data.size=[16,16]", "model.width=2", "trainer.max_epochs=2"]
    asked += ["-m", f"paths.outputs={tmp_path}", f"hydra/launcher={launcher}", "trainer.progress=lines"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("segbench.reporting.page.draw_all", lambda *_, **__: [])
        done = program(
            "run.py", *asked, "hydra.sweeper._target_=hydra_plugins.rates.RateSweeper", PYTHONPATH=str(tmp_path)
        )
    # A job failed, which Hydra's own launcher does not say.
    assert done.returncode == (launcher == "processes"), done.stderr
    found = json.loads((tmp_path / "runs" / "found.json").read_text())
    best = {
        json.loads((path.parent / "run.json").read_text())["overrides"][-1]: json.loads(path.read_text())["best"][
            "value"
        ]
        for path in tmp_path.rglob("summary.json")
    }
    assert found.pop("1e30") in ("SegbenchError", "DivergedError"), done.stderr
    assert {f"optimizer.lr={rate}": score for rate, score in found.items()} == best
    assert len(best) == 2
