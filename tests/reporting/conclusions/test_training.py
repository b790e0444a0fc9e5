"""How runs were trained, in the reader's words."""

import json

import pytest

from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.comparison.model import number_of
from segbench.reporting.conclusions.notes import convention_line
from segbench.reporting.conclusions.training import training_line

ADAM = {"_target_": "torch.optim.Adam", "lr": 0.001, "weight_decay": 0.0}
FLIPS = {
    "_target_": "x.A",
    "transforms": [{"_target_": "albumentations.HorizontalFlip"}, {"_target_": "albumentations.Affine"}],
}


def train(make, seed=0, model="unet", **more):
    """Make a run that says how it was trained; ``data``: what its summary says of the data."""
    config = {"optimizer": ADAM, "augmentation": FLIPS, "trainer.monitor": "val/loss"} | more.pop("config", {})
    folder = make(model, seed, config=config, choices={"scheduler": "cosine", **more.pop("choices", {})})
    summary = json.loads((folder / "summary.json").read_text())
    summary["data"] = summary.get("data", {}) | {"images": {"train": 96}, "groups": {"train": 6}} | more.get("data", {})
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder.parent


def test_optimiser_rate_augmentation_and_images_are_said(architectures):
    (line,) = training_line(compare(collect([train(architectures)])))
    assert line == (
        "Trained on 96 images (6 groups) for 5 epochs in batches of 4, by Adam with learning rate 0.001 (cosine),"
        " augmented by HorizontalFlip and Affine; scored at the best epoch by val/loss."
    )


def test_what_differs_is_said_together(architectures):
    architectures.comparison |= {"factors": ["model", "optimizer", "augmentation"]}
    train(architectures)
    sgd = {"_target_": "torch.optim.SGD", "lr": 0.01, "momentum": 0.9}
    config = {"optimizer": sgd, "augmentation": {"_target_": "x.A", "transforms": []}}
    choices = {"scheduler": "constant", "optimizer": "sgd", "augmentation": "none"}
    folder = train(architectures, model="attunet", config=config, choices=choices, data={"images": {"train": 48}})
    (line,) = training_line(compare(collect([folder])))
    assert "on 48 to 96 images (6 groups)" in line
    assert "by Adam with learning rate 0.001 (cosine) or by SGD with learning rate 0.01, momentum 0.9" in line
    assert "augmented by HorizontalFlip and Affine or without augmentation" in line


@pytest.mark.slow
def test_all_that_changes_images_is_said(architectures):
    named = {"_target_": "x.A", "transforms": {"mirror": FLIPS["transforms"][0]}, "mix": {"_target_": "y.CutMix"}}
    comparison = compare(collect([train(architectures, config={"augmentation": named})]))
    assert "augmented by CutMix and HorizontalFlip" in training_line(comparison)[0]


def test_the_pipelines_of_a_curriculum_are_no_transforms(architectures):
    one_of = {"_target_": "albumentations.OneOf", "transforms": [{"_target_": "x.NoOp"}, {"_target_": "x.Flip"}]}
    turn = {"_target_": "x.Turn", "field": {"_target_": "x.Field"}}
    named = {"turn": turn, "elastic": {"_target_": "x.Elastic", "stages": 3}}
    stages = {
        "simple": {"augmentation": {"_target_": "x.Pipeline", "transforms": [one_of]}},
        "elastic": {"augmentation": {"_target_": "x.Pipeline", "transforms": named}, "threshold": 0.7},
    }
    config = {"augmentation": {"_target_": "x.Curriculum", "stages": stages}}
    (line,) = training_line(compare(collect([train(architectures, config=config)])))
    assert "augmented in stages by Elastic, Turn, Field and Flip; scored" in line


@pytest.mark.slow
def test_averaged_weights_and_rare_classes_are_said(architectures):
    callbacks = {"ema": {"_target_": "x.WeightAverage"}, "panels": {"_target_": "x.Panels"}}
    folder = train(architectures, config={"callbacks": callbacks, "data.oversample": 0.5})
    path = next(folder.glob("*/run.json"))
    assert "WeightAverage" not in training_line(compare(collect([folder])))[0]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"unchanging": ["callbacks.panels"]}))
    (line,) = training_line(compare(collect([folder])))
    assert "(cosine), with WeightAverage, augmented by HorizontalFlip and Affine, rare classes drawn more often" in line
    assert "(data.oversample=0.5); scored" in line


def test_groups_have_the_name_that_the_data_gives_them(architectures):
    comparison = compare(collect([train(architectures, data={"group": "car"})]))
    assert "(6 cars)" in training_line(comparison)[0]
    assert " cars; " in convention_line(comparison)
    assert (comparison.grouping, comparison.unit, comparison.single_unit) == ("cars", "cars", "car")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["<b>", "a b", "", 7, "x" * 99])
def test_what_is_no_word_names_no_group(architectures, name):
    comparison = compare(collect([train(architectures, data={"group": name})]))
    assert comparison.grouping == "groups of images"
    assert "groups; seeds" in convention_line(comparison)


def test_damaged_facts_cost_only_themselves(architectures):
    config = {"optimizer": {"_target_": ["x"], "lr": {"a": 1}}, "augmentation": {"_target_": [], "transforms": 7}}
    folder = train(architectures, config=config, data={"images": [], "groups": {"train": "x"}})
    (line,) = training_line(compare(collect([folder])))
    assert line.startswith("Trained for 5 epochs")


def test_one_is_no_plural():
    assert number_of([1], "cars") == "1 car"
    assert number_of([3, 1], "cars") == "1 to 3 cars"
