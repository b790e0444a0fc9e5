"""Every file in conf/ composes to a valid configuration."""

import inspect
import itertools
import re
from functools import cache
from itertools import product
from pathlib import Path

import pytest
import yaml
from hydra import compose as with_hydra
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from segbench.configuration.build import build
from segbench.configuration.schema import validate
from segbench.models import UNet

CONF = Path(__file__).resolve().parent.parent / "conf"
CHOICES = sorted(
    (group.name, path.relative_to(group).with_suffix("").as_posix())
    for group in CONF.iterdir()
    if group.is_dir() and group.name != "hydra"
    for path in group.rglob("*.yaml")
)


EXPERIMENTS = [choice for group, choice in CHOICES if group == "experiment"]


@pytest.fixture(scope="module")
def experiment(compose):
    """Compose an experiment as its sweep begins with, once for all tests that read it."""

    @cache
    def composed(name):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return with_hydra("config", [f"experiment={name}"], return_hydra_config=True)

    return composed


@pytest.mark.slow
@pytest.mark.parametrize(("group", "choice"), [choice for choice in CHOICES if choice[0] != "experiment"])
def test_every_choice_is_valid(compose, group, choice):
    validate(compose(f"{group}={choice}"))


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_is_valid_asks_a_question_and_sweeps_its_factors(experiment, name):
    cfg = experiment(name)
    validate(cfg)
    assert cfg.hydra.mode.name == "MULTIRUN"
    swept = set(cfg.hydra.sweeper.params)
    assert set(cfg.comparison.factors) <= swept
    assert "seed" in swept
    assert cfg.comparison.question.endswith("?")
    for figure in cfg.comparison.published:
        assert set(figure["where"]) <= swept
    # A name that is swept by no job would leave a figure without a row, a claim unjudged.
    named = [figure["where"] for figure in cfg.comparison.published]
    for claim in cfg.comparison.claims:
        named += claim.get("alike") or [claim["better"], *claim.get("than", ())]
    for key, value in (item for where in named for item in where.items() if isinstance(item[1], str)):
        assert value in str(cfg.hydra.sweeper.params[key]).split(","), (key, value)


@pytest.mark.usefixtures("compose")
def test_one_s_own_folder_is_compared_over_as_many_folds_as_are_asked_for():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        asked = ["experiment=folder/networks", "data.folds=3"]
        swept = with_hydra("config", asked, return_hydra_config=True).hydra.sweeper.params
    assert swept["data.fold"] == "range(0,3)"
    assert swept.model.split(",")[:3] == ["unet", "attunet", "unet3plus"]


@pytest.mark.slow
def test_a_difference_of_protocol_names_settings_that_some_experiment_has(compose, experiment):
    conditions = {}
    for name in EXPERIMENTS:
        for key, stated in experiment(name).comparison.differences.items():
            if not isinstance(stated, str | None) and stated.get("where"):
                conditions.setdefault((key, stated.text), (OmegaConf.to_container(stated.where), []))[1].append(name)
    assert conditions
    for where, names in conditions.values():
        assert any(_has(compose(*job), job, where) for name in names for job in _jobs(name)), (where, names)


def _jobs(experiment):
    text = (CONF / "experiment" / f"{experiment}.yaml").read_text()
    swept = yaml.safe_load(text)["hydra"]["sweeper"]["params"]
    choices = [
        [f"{key}={value}" for value in str(swept[key]).split(",")] for key in swept if key not in ("seed", "data.fold")
    ]
    return [[f"experiment={experiment}", *values] for values in product(*choices)]


def _has(cfg, job, where):
    # A precision of auto becomes one when a run starts.
    return all(OmegaConf.select(cfg, key) in (value, "auto") or f"{key}={value}" in job for key, value in where.items())


@pytest.mark.slow
def test_the_quick_width_of_the_configuration_is_said_to_be_quick(compose):
    for name in ("unet", "attunet"):
        assert compose(f"model={name}").model.width == 16
        assert "64 is the published network, 16 a quick one" in (CONF / "model" / f"{name}.yaml").read_text()
    assert inspect.signature(UNet).parameters["width"].default == 64


def test_the_published_comparison_uses_the_published_networks(experiment):
    names = [name for name in EXPERIMENTS if name.startswith("carvana/")]
    assert names
    for name in names:
        assert experiment(name).model.width == 64
        assert experiment(name).trainer.max_epochs == 5


def test_the_search_by_wandb_sets_keys_that_exist(compose):
    sweep = yaml.safe_load((CONF / "wandb_sweep.yaml").read_text())
    assert (CONF.parent / sweep["program"]).is_file()
    assert sweep["command"][-2:] == ["${args_no_hyphens}", "logger=wandb"]
    # What the agent makes of it: key=value of every parameter, without hyphens. Together they give every value once.
    values = [spec.get("values") or [spec["min"], spec["max"]] for spec in sweep["parameters"].values()]
    for chosen in itertools.zip_longest(*values):
        own = [f"{key}={value}" for key, value in zip(sweep["parameters"], chosen, strict=True) if value is not None]
        validate(compose(*own, sweep["command"][-1]))
    from segbench.tasks.segmentation import VALIDATION_SCORES

    assert sweep["metric"]["name"].removeprefix("best/val_") in VALIDATION_SCORES


def rows_of(page, group):
    """Return the rows of the table of a group's choices, each the cells' texts."""
    text = (CONF.parent / "docs" / page).read_text(encoding="utf-8")
    table = text[text.index(f"| `{group}=` |") :].partition("\n\n")[0]
    return [row.split("|")[1:-1] for row in table.splitlines()[2:]]


@pytest.mark.parametrize(
    ("group", "page"), [("loss", "training.md"), ("scheduler", "training.md"), ("model", "networks.md")]
)
def test_every_loss_schedule_and_network_stands_in_its_table(group, page):
    named = re.findall(r"`(\w+)`", "".join(row[0] for row in rows_of(page, group)))
    assert sorted(named) == sorted(name for of, name in CHOICES if of == group)


@pytest.mark.slow
@pytest.mark.parametrize("row", rows_of("networks.md", "model"), ids=lambda row: row[0].strip())
def test_the_table_of_networks_has_their_parameters_and_what_they_start_from(compose, row):
    names = re.findall(r"`(\w+)`", row[0])
    if names[0].startswith("smp"):
        pytest.importorskip("segmentation_models_pytorch")
    for name, counted in zip(names, row[2].split(","), strict=True):
        cfg = compose(f"model={name}")
        assert ("pretrained" in cfg.model) == bool(row[3].strip())
        start = {"pretrained": None} if "pretrained" in cfg.model else {}
        size = {"size": [96, 96]} if cfg.model.get("size", 0) is None else {}
        channels = (1, 10) if name.startswith("mnist") else (3, 1)
        network = build("model", cfg, in_channels=channels[0], out_channels=channels[1], **start, **size)
        assert f"{sum(weight.numel() for weight in network.parameters()) / 1e6:.2f}" == counted.strip()
