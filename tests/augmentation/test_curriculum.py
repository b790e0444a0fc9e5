import pickle

import numpy as np
import pytest
from albumentations import HorizontalFlip, VerticalFlip

from segbench.augmentation import Augmentation, Curriculum, Elastic, MirrorTiles, QuarterTurns
from segbench.configuration.build import build
from segbench.errors import ConfigError

EASY, HARD = Augmentation([HorizontalFlip(p=1.0)]), Augmentation([VerticalFlip(p=1.0)])
LATER = {"monitor": "val/iou_cell", "threshold": 0.7}
IMAGE = np.random.default_rng(0).integers(0, 60000, (6, 8, 1)).astype(np.uint16)
MASK = np.random.default_rng(1).integers(0, 3, (6, 8)).astype(np.uint8)


def test_a_sample_goes_through_its_stage():
    curriculum = Curriculum([{"augmentation": EASY}, {"augmentation": HARD, **LATER}])
    planes = {"weight": MASK.astype(np.float32) / 3}
    for stage, turned in ((0, MASK[:, ::-1]), (1, MASK[::-1])):
        image, mask, moved = pickle.loads(pickle.dumps(curriculum)).apply(IMAGE, MASK, planes, 0, stage)
        assert np.array_equal(mask, turned)
        assert np.array_equal(image, IMAGE[:, ::-1] if stage == 0 else IMAGE[::-1])
        assert np.array_equal(moved["weight"], turned.astype(np.float32) / 3)
    assert np.array_equal(curriculum(IMAGE, MASK, 0)[1], MASK[:, ::-1])
    assert np.array_equal(curriculum.apply(IMAGE, MASK, {}, 0)[1], MASK[:, ::-1])
    with pytest.raises(IndexError):
        curriculum.apply(IMAGE, MASK, {}, 0, 2)
    assert [(stage.monitor, stage.threshold) for stage in curriculum.stages] == [(None, None), ("val/iou_cell", 0.7)]
    assert len(curriculum.transforms) == 2


def test_copies_are_those_of_every_stage():
    def stages(*second):
        return [
            {"augmentation": Augmentation(copies=[QuarterTurns(180)])},
            {"augmentation": Augmentation(copies=second), **LATER},
        ]

    assert [copy.name for copy in Curriculum(stages(QuarterTurns(180))).copies] == ["turned 180"]
    assert Curriculum([{"augmentation": EASY}]).copies == ()
    for second in ((), (QuarterTurns(90),), (QuarterTurns(180), QuarterTurns(90))):
        with pytest.raises(ConfigError, match=r"augmentation.stages.1: its copies differ from the first stage's"):
            Curriculum(stages(*second))


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([], "augmentation.stages: empty"),
        ({}, "augmentation.stages: empty"),
        ([{}], r"stages.0: augmentation missing; required in every stage"),
        ([{"augmentation": EASY, **LATER}], r"stages.0.monitor: the first stage waits for no score; remove it"),
        ({"a": {"augmentation": EASY}, "b": {"augmentation": HARD}}, r"stages.b: monitor and threshold missing"),
        ([{"augmentation": EASY}, {**LATER}], r"stages.1: augmentation missing"),
        (
            [{"augmentation": EASY}, {"augmentation": HARD, **LATER, "patience": 1}],
            r"stages.1.patience: a stage has no such key",
        ),
        ([{"augmentation": None}], r"stages.0.augmentation: must be a segbench.augmentation.Augmentation"),
        ([{"augmentation": Curriculum([{"augmentation": EASY}])}], r"stages.0.augmentation: must be"),
        (
            [{"augmentation": EASY}, {"augmentation": HARD, "monitor": "val/loss", "threshold": None}],
            r"stages.1.threshold=None: must be a number",
        ),
        (
            [{"augmentation": EASY}, {"augmentation": HARD, "monitor": "val/loss", "threshold": float("nan")}],
            r"stages.1.threshold=nan: must be a number",
        ),
        ([{"augmentation": EASY}, {"augmentation": HARD, "monitor": None, "threshold": 1}], r"stages.1.monitor=None"),
    ],
)
def test_what_is_refused(stages, message):
    with pytest.raises(ConfigError, match=message) as refusal:
        Curriculum(stages)
    assert "\n" not in str(refusal.value)


@pytest.mark.slow
def test_the_curriculum_of_the_report(compose):
    """Its stages are cells.yaml and then cells_elastic.yaml, which is Elastic before cells.yaml."""
    curriculum = build("augmentation", compose("augmentation=cells_curriculum"))
    simple, elastic = curriculum.stages
    assert (elastic.monitor, elastic.threshold) == ("val/iou_cell", 0.7)
    kinds = [type(transform).__name__ for transform in simple.augmentation.transforms]
    assert kinds == ["MirrorTiles", "Rotate", "HorizontalFlip", "VerticalFlip"]
    first, *others = elastic.augmentation.transforms
    assert (type(first), first.alpha, first.sigma, first.p) == (Elastic, (0, 50), 4, 1)
    assert [repr(transform) for transform in others] == [
        repr(transform) for transform in simple.augmentation.transforms
    ]
    for stage, name in ((0, "cells"), (1, "cells_elastic")):
        alone = build("augmentation", compose(f"augmentation={name}"))
        for seed in range(3):
            one, other = curriculum.apply(IMAGE, MASK, {}, seed, stage), alone.apply(IMAGE, MASK, {}, seed)
            assert np.array_equal(one[0], other[0])
            assert np.array_equal(one[1], other[1])


@pytest.mark.slow
def test_stages_and_transforms_are_changed_from_the_command_line(compose):
    curriculum = build(
        "augmentation",
        compose(
            "augmentation=cells_curriculum",
            "augmentation.stages.elastic.threshold=0.8",
            "augmentation.stages.elastic.augmentation.transforms.elastic.alpha=[5,10]",
            "augmentation.stages.simple.augmentation.transforms.mirror.p=0",
        ),
    )
    assert curriculum.stages[1].threshold == 0.8
    assert curriculum.stages[1].augmentation.transforms[0].alpha == (5, 10)
    mirror = curriculum.stages[0].augmentation.transforms[0]
    assert isinstance(mirror, MirrorTiles)
    assert mirror.p == 0
