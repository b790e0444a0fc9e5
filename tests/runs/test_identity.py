import pytest
from omegaconf import OmegaConf

from segbench.callbacks import PredictionPanels
from segbench.runs.identity import run_id, unchanging

BASE = {
    "seed": 0,
    "data": {"root": "${paths.data}/x", "size": [96, 96], "num_workers": 0},
    "optimizer": {"lr": 0.001},
    "trainer": {"max_epochs": 5, "accelerator": "auto", "progress": "auto"},
    "callbacks": {"panels": {"_target_": "segbench.callbacks.PredictionPanels", "images": 4}},
    "logger": {"tensorboard": {}},
    "init_from": "${paths.outputs}/a",
    "paths": {"data": "data", "outputs": "outputs", "cache": "cache"},
    "rerun": False,
}


def identity(**changes):
    cfg = OmegaConf.create(BASE)
    for key, value in changes.items():
        OmegaConf.update(cfg, key.replace("__", "."), value)
    return run_id(cfg)


@pytest.mark.parametrize(
    "change",
    [
        {"paths__data": "/elsewhere"},
        {"paths__outputs": "/elsewhere"},
        {"data__root": "/elsewhere/x"},
        {"data__num_workers": 4},
        {"logger": {}},
        {"trainer__accelerator": "gpu"},
        {"trainer__progress": "lines"},
        {"callbacks__panels__images": 9},
        {"rerun": True},
    ],
)
def test_what_cannot_change_the_result_keeps_the_identity(change):
    assert identity(**change) == identity()


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"optimizer__lr": 0.01},
        {"data__size": [96, 128]},
        {"trainer__max_epochs": 6},
        {"init_from": "${paths.outputs}/b"},
    ],
)
def test_what_can_change_the_result_changes_the_identity(change):
    assert identity(**change) != identity()


def test_a_callback_says_itself_whether_it_can_change_the_result():
    foreign = {"_target_": "pytorch_lightning.callbacks.GradientAccumulationScheduler", "scheduling": {"0": 2}}
    one = identity(callbacks={"mine": foreign})
    assert one != identity(callbacks={})
    assert one != identity(callbacks={"mine": foreign | {"scheduling": {"0": 4}}})
    ours = {"_target_": "segbench.callbacks.StoredPredictions", "megabytes": 1}
    # Whatever its name is.
    assert identity(callbacks={"mine": foreign, "kept": ours}) == one
    assert identity(callbacks={"kept": ours}) == identity(callbacks={})
    assert unchanging(OmegaConf.create({"callbacks": {"mine": foreign, "kept": ours}})) == ["callbacks.kept"]


class Recolouring(PredictionPanels):
    """Does more than what it inherits from, and does not say whether that changes the result."""


class Renaming(PredictionPanels):
    changes_result = False


def test_what_a_callback_inherits_says_nothing_of_it():
    assert identity(callbacks={"mine": {"_target_": f"{__name__}.Recolouring"}}) != identity(callbacks={})
    assert identity(callbacks={"mine": {"_target_": f"{__name__}.Renaming"}}) == identity(callbacks={})


@pytest.mark.parametrize("component", [{"images": 4}, {"_target_": "nowhere.Callback"}])
def test_what_has_no_class_may_change_the_result(component):
    """It is refused by the schema, which says why."""
    assert identity(callbacks={"mine": component}) != identity(callbacks={})


def test_the_way_a_value_is_written_does_not_matter():
    assert identity(optimizer__lr=1e-3) == identity()
    assert identity(trainer__max_epochs=5.0) == identity()
    reordered = OmegaConf.create(dict(reversed(BASE.items())))
    assert run_id(reordered) == identity()


def test_the_order_of_named_transforms_and_stages_matters():
    """Turned and then deformed is not deformed and then turned."""
    turn, bend = {"_target_": "Turn", "p": 1.0}, {"_target_": "Bend", "p": 1.0}
    for wrap in (lambda t: {"transforms": t}, lambda t: {"stages": {"a": {"augmentation": {"transforms": t}}}}):
        one = identity(augmentation=wrap({"turn": turn, "bend": bend}))
        assert identity(augmentation=wrap({"bend": bend, "turn": turn})) != one
        assert identity(augmentation=wrap({"turn": dict(reversed(turn.items())), "bend": bend})) == one
        assert identity(augmentation=wrap({"turn": turn | {"p": 1}, "bend": bend})) == one
    stages = {"easy": {"augmentation": {}}, "hard": {"augmentation": {"copies": []}}}
    assert identity(augmentation={"stages": stages}) != identity(
        augmentation={"stages": dict(reversed(stages.items()))}
    )


def test_the_configuration_is_left_as_it_was():
    cfg = OmegaConf.create(BASE)
    run_id(cfg)
    assert cfg == OmegaConf.create(BASE)


def test_one_batch_an_epoch_is_not_all_of_them():
    assert identity(trainer__limit_train_batches=1) != identity(trainer__limit_train_batches=1.0)
    assert identity(trainer__limit_train_batches=0.5) != identity(trainer__limit_train_batches=1.0)


def test_identities_of_runs_on_disk_stay_what_they_are():
    assert identity(trainer__limit_train_batches=2) == "8e9604476a"
    assert identity(trainer__max_epochs=5.0, optimizer__lr=1.0) == "908327e5c8"
    listed = [{"p": 0.5, "_target_": "Flip"}, {"_target_": "OneOf", "transforms": [{"p": 1.0, "_target_": "Turn"}]}]
    assert identity(augmentation={"_target_": "Augmentation", "transforms": listed}) == "145653c580"


def test_folds_that_are_null_leave_finished_runs_what_they_are():
    assert identity(data__folds=None, data__fold=None) == identity()
    assert len({identity(data__folds=5, data__fold=fold) for fold in range(5)} | {identity()}) == 6
