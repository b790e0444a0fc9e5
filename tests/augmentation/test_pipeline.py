import numpy as np
import pytest
from hydra.utils import instantiate
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from tests.examples import examples
from torch.utils.data import DataLoader, Dataset

from segbench.augmentation import Augmentation
from segbench.configuration.build import build
from segbench.data.loader import ReplayLoader
from segbench.errors import ConfigError
from segbench.rng import derive_seed

NAMES = ("none", "flips", "rotations", "light", "cardiac", "cells", "cells_elastic", "cells_curriculum")
CHANCE = np.random.default_rng(0)
IMAGE = CHANCE.integers(0, 255, (48, 64, 3)).astype(np.uint8)
MASK = CHANCE.integers(0, 4, (48, 64)).astype(np.uint8)


@pytest.fixture(scope="module", params=NAMES)
def named(request, compose):
    return request.param, build("augmentation", compose(f"augmentation={request.param}"))


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_size_and_type_stay_and_masks_hold_labels_only(named, channels):
    name, augmentation = named
    for seed in range(20):
        image, mask = augmentation(IMAGE[..., :channels], MASK, seed)
        assert (image.shape, image.dtype) == ((48, 64, channels), np.uint8)
        assert (mask.shape, mask.dtype) == ((48, 64), np.uint8)
        assert set(np.unique(mask)) <= ({0, 1, 2, 3} if name in ("none", "flips") else {0, 1, 2, 3, 255})


@pytest.mark.slow
def test_the_seed_alone_decides(named):
    name, augmentation = named
    one, two = augmentation(IMAGE, MASK, 5), augmentation(IMAGE, MASK, 6)
    np.random.seed(1)
    again = augmentation(IMAGE, MASK, 5)
    assert np.array_equal(one[0], again[0])
    assert np.array_equal(one[1], again[1])
    if name in ("rotations", "light", "cells", "cells_elastic"):
        assert not np.array_equal(one[0], two[0])


def test_image_and_mask_move_together(repository):
    """Where the mask is known, a picture of the labels moves as the labels do."""
    for name in ("flips", "rotations"):
        augmentation = instantiate(OmegaConf.load(repository / "conf" / "augmentation" / f"{name}.yaml"))
        blocks = np.kron(CHANCE.integers(0, 4, (3, 4)), np.ones((16, 16))).astype(np.uint8)
        together, apart = [], []
        for seed in range(10):
            image, mask = augmentation((blocks * 60)[..., None], blocks, seed)
            known = mask != 255
            together.append((np.abs(image[..., 0].astype(int) - mask.astype(int) * 60) < 31)[known].mean())
            apart.append((np.abs(image[..., 0].astype(int) - blocks.astype(int) * 60) < 31)[known].mean())
        assert min(together) > 0.95
        assert np.mean(apart) < 0.92


@pytest.fixture(scope="module")
def moving(compose):
    """Every stage of what changes no pixel's value but moves it."""
    found = {name: build("augmentation", compose(f"augmentation={name}")) for name in NAMES if name != "light"}
    return [(augmentation, 0) for augmentation in found.values()] + [(found["cells_curriculum"], 1)]


@pytest.mark.slow
@examples(60)
@given(
    which=st.integers(0, len(NAMES) - 1),
    shape=st.tuples(st.integers(2, 40), st.integers(2, 40)),
    kind=st.sampled_from([np.uint8, np.uint16, np.float32]),
    seed=st.integers(0, 2**62),
)
def test_planes_go_exactly_where_the_mask_goes(moving, which, shape, kind, seed):
    """Every plane holds a pixel's place; the mask holds what is left of it in 250 labels."""
    augmentation, stage = moving[which]
    count = shape[0] * shape[1]
    place = np.arange(count).reshape(shape)
    mask = (place % 250).astype(np.uint8)
    planes = {
        "weight": (place + 0.5).astype(np.float32),
        "instances": (place + 2**31 - count).astype(np.int32),
        "ids": (place + 2**16 - count).astype(np.uint16),
        "wide": place + 2**53 + 1,
        "any": np.ones(shape, bool),
    }
    before = {name: plane.copy() for name, plane in planes.items()}
    image = (place[..., None] % 250).astype(kind)
    moved, moved_mask, found = augmentation.apply(image, mask, planes, seed, stage)
    assert (moved.shape, moved.dtype) == (image.shape, image.dtype)
    inside = moved_mask != 255
    assert {name: (plane.dtype, plane.shape) for name, plane in found.items()} == {
        name: (plane.dtype, plane.shape) for name, plane in planes.items()
    }
    there = (found["weight"] - 0.5).astype(int)
    assert np.array_equal(moved_mask[inside], there[inside] % 250)
    for name, plane in before.items():
        assert np.array_equal(found[name][inside], plane.ravel()[there[inside]])
        assert not found[name][~inside].any()
        assert np.array_equal(planes[name], plane)
    # Planes take no part in the draws.
    alone = augmentation.apply(image, mask, {}, seed, stage)
    assert np.array_equal(alone[0], moved)
    assert np.array_equal(alone[1], moved_mask)
    assert alone[2] == {}


@pytest.mark.slow
def test_image_and_planes_move_together(moving):
    """Ramps are what bilinear interpolation keeps: away from borders and folds the image shows its weight."""
    rows, columns = np.mgrid[:48, :64].astype(np.float32)
    image, mask = np.stack([rows, columns], -1), np.zeros((48, 64), np.uint8)
    for augmentation, stage in moving:
        for seed in range(5):
            moved, moved_mask, planes = augmentation.apply(image, mask, {"y": rows, "x": columns}, seed, stage)
            inner = (moved_mask == 0) & (planes["y"] % 47 > 1) & (planes["x"] % 63 > 1)
            # Half a pixel of the nearest neighbour for each transform that interpolates.
            assert np.abs(moved[..., 0] - planes["y"])[inner].mean() < 0.6
            assert np.abs(moved[..., 1] - planes["x"])[inner].mean() < 0.6


def test_what_is_ignored_in_the_truth_keeps_its_planes():
    mask = np.full((4, 6), 255, np.uint8)
    weight = np.arange(24, dtype=np.float32).reshape(4, 6)
    flip = Augmentation([instantiate({"_target_": "albumentations.HorizontalFlip", "p": 1.0})])
    assert np.array_equal(flip.apply(weight[..., None], mask, {"weight": weight}, 0)[2]["weight"], weight[:, ::-1])


def test_planes_of_an_image_too_large_to_follow_are_refused():
    flip = Augmentation([instantiate({"_target_": "albumentations.HorizontalFlip", "p": 1.0})])
    mask = np.zeros((1, 2**24 + 1), np.uint8)
    with pytest.raises(ConfigError, match=r"1x16777217 has too many pixels to track.*set data.size or data.tiles"):
        flip.apply(mask[..., None], mask, {"weight": mask}, 0)


@pytest.mark.slow
def test_free_rotation_turns_by_any_angle_and_ignores_what_comes_from_outside(compose):
    """Of a square mask the share of the outside is known: none at a quarter turn, most, 17 %, at half of it."""
    only = ("mirror", "left_right", "top_bottom")
    augmentation = build(
        "augmentation", compose("augmentation=cells", *(f"augmentation.transforms.{name}.p=0" for name in only))
    )
    image, mask = np.full((101, 101, 1), 60000, np.uint16), np.ones((101, 101), np.uint8)
    outside = []
    for seed in range(60):
        moved, turned = augmentation(image, mask, seed)
        assert set(np.unique(turned)) <= {1, 255}
        assert (moved[..., 0][turned == 255] < 60000).all()
        outside.append((turned == 255).mean())
    assert min(outside) < 0.05
    assert 0.15 < max(outside) < 0.18


def test_flips_are_the_four_mirror_images():
    """They would be two if the transforms shared their draws, as they do after albumentations' set_random_seed."""
    augmentation = Augmentation(
        [instantiate({"_target_": f"albumentations.{name}Flip", "p": 0.5}) for name in ("Horizontal", "Vertical")]
    )
    seen = {augmentation(IMAGE, MASK, seed)[1].tobytes() for seed in range(40)}
    expected = {np.ascontiguousarray(m).tobytes() for m in (MASK, MASK[:, ::-1], MASK[::-1], MASK[::-1, ::-1])}
    assert seen == expected


def test_cardiac_is_exactly_one_of_four(repository):
    augmentation = instantiate(OmegaConf.load(repository / "conf" / "augmentation" / "cardiac.yaml"))
    kinds = {"none": MASK, "horizontal": MASK[:, ::-1], "vertical": MASK[::-1]}
    seen = dict.fromkeys((*kinds, "rotation"), 0)
    for seed in range(400):
        mask = augmentation(IMAGE, MASK, seed)[1]
        matches = [name for name, expected in kinds.items() if np.array_equal(mask, expected)]
        seen[matches[0] if matches else "rotation"] += 1
    # 100 expected of each; five standard deviations are 43.
    assert all(57 < count < 143 for count in seen.values()), seen


class Augmented(Dataset):
    def __init__(self, augmentation, seed):
        self.augmentation, self.seed = augmentation, seed

    def __len__(self):
        return 24

    def __getitem__(self, key):
        epoch, index, _, _ = key
        return self.augmentation(IMAGE, MASK, derive_seed(self.seed, "augment", epoch, index))[0]


def epoch_of(augmentation, epoch, workers, seed=0):
    loader = ReplayLoader(Augmented(augmentation, seed), 3, seed, lambda: (epoch, 0), num_workers=workers)
    return [image.numpy().tobytes() for batch in loader for image in batch]


@pytest.mark.slow
def test_an_epoch_s_augmentations_all_differ_and_repeat_with_any_number_of_workers(repository):
    augmentation = instantiate(OmegaConf.load(repository / "conf" / "augmentation" / "light.yaml"))
    expected = {epoch: epoch_of(augmentation, epoch, 0) for epoch in range(2)}
    assert len({image for images in expected.values() for image in images}) == 48
    for workers in (2, 4):
        for epoch in range(2):
            assert epoch_of(augmentation, epoch, workers) == expected[epoch]
    assert not set(epoch_of(augmentation, 0, 2, seed=1)) & set(expected[0])


@pytest.mark.slow
def test_the_library_alone_would_repeat_itself():
    """Why the seed is needed: an unseeded pipeline draws the same in every worker (albumentations 2.0.8)."""
    import albumentations

    class Plain(Dataset):
        compose = albumentations.Compose([albumentations.Affine(rotate=(-30, 30), p=1.0)])

        def __len__(self):
            return 16

        def __getitem__(self, index):
            return self.compose(image=IMAGE)["image"]

    images = [image.numpy().tobytes() for image in DataLoader(Plain(), batch_size=None, num_workers=4)]
    assert len(set(images)) < 16
