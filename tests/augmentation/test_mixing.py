import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segbench.augmentation import Augmentation, Curriculum, CutMix
from segbench.data.cache import Arrays
from segbench.data.dataset import ClassificationDataset, SegmentationDataset
from segbench.data.loader import Draw
from segbench.data.phantom import PhantomData
from segbench.data.records import Record
from segbench.errors import ConfigError
from segbench.losses import BoundaryCrossEntropy
from segbench.rng import generator


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 999))
def test_the_part_lies_in_the_image(height, width, seed):
    rows, columns = CutMix(p=1.0).part((height, width), np.random.default_rng(seed))
    assert 0 <= rows.start <= rows.stop <= height
    assert 0 <= columns.start <= columns.stop <= width


def test_the_share_of_its_area_is_that_of_the_beta_distribution_cut_off_at_the_border():
    chance = np.random.default_rng(0)
    found = [CutMix(p=1.0).part((1000, 1000), chance) for _ in range(4000)]
    shares = [(rows.stop - rows.start) * (columns.stop - columns.start) / 1e6 for rows, columns in found]
    # By hand: of a side s, uniform centre, s - s^2 / 4 is left on average; squared, and s^2 uniform.
    side = np.sqrt(np.linspace(0, 1, 100_001))
    assert np.mean(shares) == pytest.approx(np.mean((side - side**2 / 4) ** 2), abs=0.01)


def test_p_is_how_often():
    chance = np.random.default_rng(0)
    assert np.mean([CutMix(p=0.3).part((9, 9), chance) is not None for _ in range(4000)]) == pytest.approx(
        0.3, abs=0.03
    )
    assert CutMix(p=0.0).part((9, 9), chance) is None


@pytest.fixture
def train(tmp_path):
    def made(mix=None, weigh=False, **options):
        augmentation = Augmentation(mix=mix)
        module = PhantomData(
            cache_dir=tmp_path, subjects=6, size=(32, 32), augmentation=augmentation, seed=3, **options
        )
        if weigh:
            module.weigh_by(BoundaryCrossEntropy())
        module.setup()
        return module.datasets["train"]

    return made


@pytest.mark.parametrize("options", [{}, {"weigh": True}, {"regions": {"heart": ["myocardium", "left ventricle"]}}])
def test_pixels_and_their_labels_come_from_two_images_of_the_epoch(train, options):
    plain, mixed = train(**options), train(CutMix(p=1.0), **options)
    others = set()
    for item in range(8):
        draw = Draw(2, item)
        chance = generator(3, "mix", *draw.counters)
        part = CutMix(p=1.0).part((32, 32), chance)
        other = int(chance.integers(len(plain)))
        own, its, found = plain[draw], plain[draw._replace(item=other)], mixed[draw]
        inside = torch.zeros(32, 32, dtype=torch.bool)
        inside[part] = True
        assert found["id"] == own["id"]
        for key in set(own) - {"id"}:
            assert torch.equal(found[key], torch.where(inside, its[key], own[key]))
        others.add(other)
    assert len(others) > 4
    assert torch.equal(mixed[4]["image"], plain[4]["image"])  # not drawn


def test_what_cannot_be_mixed_is_refused(train):
    whole, augmentation = train(), Augmentation(mix=CutMix())
    arrays = Arrays(list(whole.arrays.images), list(whole.arrays.targets))
    records = [Record(id=str(number), group="") for number in range(len(whole.arrays.images))]
    settings = (arrays, range(3), records, np.zeros(1), np.ones(1))
    with pytest.raises(ConfigError, match="augmentation.mix: needs images of one size; set data.size"):
        SegmentationDataset(*settings, augmentation=augmentation)
    assert len(SegmentationDataset(*settings, augmentation=augmentation, crop=(8, 8))) == 3
    with pytest.raises(ConfigError, match="augmentation.mix: images with a label each cannot be mixed"):
        ClassificationDataset(*settings, augmentation=augmentation)
    with pytest.raises(ConfigError, match=r"augmentation.stages.0.augmentation.mix: a curriculum does not mix images"):
        Curriculum([{"augmentation": augmentation}])


@pytest.mark.parametrize(("options", "said"), [({"alpha": 0.0}, "alpha=0.0: must be positive"), ({"p": 2.0}, "p=2.0")])
def test_numbers_out_of_range_are_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        CutMix(**options)
