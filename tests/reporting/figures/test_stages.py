import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from segbench.pictures.palette import COLOURS
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.figures.curves import draw_curves
from segbench.reporting.figures.stages import STAGE, stage_starts

pytestmark = pytest.mark.slow

STAGES = [{"augmentation": {}}, {"augmentation": {}, "monitor": "val/iou_disc", "threshold": 0.7}]

NAMED = dict(zip(("early", "late"), STAGES, strict=True))


def staged(maker, stages, model="unet", seed=0, **config):
    """Write a run whose epochs, from 1, were trained in these stages."""
    table = {"epoch": range(1, len(stages) + 1), "train/loss": 1.0, "val/dice": 0.5, STAGE: stages}
    maker(model, seed, name=f"{model}-{seed}", config=config, curves=table)


@pytest.fixture
def marks(monkeypatch):
    """Epoch and colour of each mark."""
    found = []
    real = Axes.axvline
    monkeypatch.setattr(
        Axes, "axvline", lambda axes, x, **style: found.append((x, style["color"])) or real(axes, x, **style)
    )
    return found


@pytest.mark.parametrize(
    ("stages", "starts"),
    [
        ([0, 0, 0], {}),
        ([0, 0, 1, 1], {1: 3}),
        ([0, 1, 2], {1: 2, 2: 3}),
        ([0, 2, 2], {2: 2}),
        ([1, 1], {}),
        ([0, None, 1], {1: 3}),
    ],
)
def test_a_stage_begins_in_the_epoch_that_is_first_trained_in_it(stages, starts):
    assert stage_starts(pd.DataFrame({"epoch": range(1, len(stages) + 1), STAGE: stages})) == starts


def test_curves_of_runs_without_stages_have_no_mark(architectures, tmp_path, marks):
    assert stage_starts(None) == stage_starts(pd.DataFrame({"epoch": [1, 2]})) == {}
    architectures("unet")
    draw_curves(compare(collect([architectures.root])), tmp_path / "curves.png")
    assert not marks
    assert "stage" not in (tmp_path / "curves.svg").read_text()


def test_each_seed_has_its_mark_in_its_configurations_colour_in_every_panel(architectures, tmp_path, marks):
    staged(architectures, [0, 0, 0, 0], "attunet", augmentation={"stages": NAMED})
    for seed, stages in enumerate(([0, 0, 1, 1], [0, 1, 1, 1], [0, 1, 1])):
        staged(architectures, stages, "unet", seed, augmentation={"stages": NAMED})
    draw_curves(compare(collect([architectures.root])), tmp_path / "curves.png")
    # Training loss and Dice; two seeds that pass in one epoch share a mark.
    assert [epoch for epoch, _ in marks] == [2, 3] * 2
    assert {to_rgb(colour) for _, colour in marks} == {to_rgb(COLOURS[1])}
    text = (tmp_path / "curves.svg").read_text()
    assert text.count("augmentation stage 2 begins (after validation IoU disc passed 0.7)") == 1


def test_stages_without_names_are_told_too(architectures, tmp_path):
    staged(architectures, [0, 1], augmentation={"stages": STAGES})
    draw_curves(compare(collect([architectures.root])), tmp_path / "curves.png")
    assert "stage 2 begins (after validation IoU disc passed 0.7)" in (tmp_path / "curves.svg").read_text()


@pytest.mark.parametrize("augmentation", [None, {"stages": None}, {"stages": STAGES[:1]}, {"stages": [{}, {}]}, {}])
def test_marks_are_named_also_where_the_configuration_tells_no_threshold(architectures, tmp_path, augmentation):
    staged(architectures, [0, 1], augmentation=augmentation)
    draw_curves(compare(collect([architectures.root])), tmp_path / "curves.png")
    text = (tmp_path / "curves.svg").read_text()
    assert "augmentation stage 2 begins<" in text
