"""Variants lie above the experiment and below the command line, and are no part of what a run is."""

import pytest

from segbench.configuration.schema import validate
from segbench.runs.identity import run_id

# Another network, optimiser and schedule than the defaults, and settings of three sections.
VARIANT = "variant=digits/model4"


def test_a_variant_sets_groups_and_values_at_once(compose):
    cfg = compose(VARIANT)
    assert cfg.model["_target_"] == "segbench.models.mnist.MnistCNN"
    assert cfg.scheduler["_target_"] == "segbench.schedules.ExponentialFloor"
    assert (cfg.model.hidden, cfg.model.dropout, cfg.optimizer.lr) == (200, 0.25, 3e-3)
    assert (cfg.data.batch_size, cfg.trainer.max_epochs) == (100, 10)
    validate(cfg)


@pytest.mark.slow
def test_it_wins_over_the_experiment(compose):
    # The experiment's own choices: Attention U-Net's rival with the Dice loss, 5 epochs.
    cfg = compose("experiment=carvana/architectures", "data=phantom", VARIANT, "~model.width")
    assert cfg.trainer.max_epochs == 10
    assert cfg.model.hidden == 200
    assert cfg.trainer.monitor == "val/loss"


def test_the_command_line_wins_over_it(compose):
    cfg = compose(VARIANT, "scheduler=constant", "optimizer=adamw", "optimizer.lr=0.5", "model.dropout=0.1")
    assert cfg.scheduler["_target_"].endswith("ConstantLR")
    assert cfg.optimizer["_target_"].endswith("AdamW")
    assert (cfg.optimizer.lr, cfg.model.dropout, cfg.model.hidden) == (0.5, 0.1, 200)


@pytest.mark.slow
def test_a_run_is_what_it_is_composed_of_whatever_its_name(compose):
    by_name = compose("variant=digits/cnn_adam")
    by_hand = compose("model=mnist_cnn", "data.batch_size=100", "trainer.max_epochs=15")
    assert run_id(by_name) == run_id(by_hand)
    assert run_id(by_name) != run_id(compose("variant=digits/cnn"))


@pytest.mark.slow
def test_no_two_variants_are_the_same_run(compose, repository):
    folder = repository / "conf" / "variant"
    names = [path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml")]
    assert len(names) > 10
    assert len({run_id(compose(f"variant={name}")) for name in names}) == len(names)
