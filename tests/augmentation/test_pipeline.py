import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch.utils.data import DataLoader, Dataset

from segbench.augmentation import Augmentation
from segbench.data.loader import ReplayLoader
from segbench.rng import derive_seed

NAMES = ("none", "flips", "rotations", "light", "cardiac")
CHANCE = np.random.default_rng(0)
IMAGE = CHANCE.integers(0, 255, (48, 64, 3)).astype(np.uint8)
MASK = CHANCE.integers(0, 4, (48, 64)).astype(np.uint8)


@pytest.fixture(params=NAMES)
def named(request, repository):
    return request.param, instantiate(OmegaConf.load(repository / "conf" / "augmentation" / f"{request.param}.yaml"))


@pytest.mark.parametrize("channels", [1, 3])
def test_size_and_type_stay_and_masks_hold_labels_only(named, channels):
    name, augmentation = named
    for seed in range(20):
        image, mask = augmentation(IMAGE[..., :channels], MASK, seed)
        assert (image.shape, image.dtype) == ((48, 64, channels), np.uint8)
        assert (mask.shape, mask.dtype) == ((48, 64), np.uint8)
        assert set(np.unique(mask)) <= ({0, 1, 2, 3} if name in ("none", "flips") else {0, 1, 2, 3, 255})


def test_the_seed_alone_decides(named):
    name, augmentation = named
    one, two = augmentation(IMAGE, MASK, 5), augmentation(IMAGE, MASK, 6)
    np.random.seed(1)
    again = augmentation(IMAGE, MASK, 5)
    assert np.array_equal(one[0], again[0])
    assert np.array_equal(one[1], again[1])
    if name in ("rotations", "light"):
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
        epoch, index = key
        return self.augmentation(IMAGE, MASK, derive_seed(self.seed, "augment", epoch, index))[0]


def epoch_of(augmentation, epoch, workers, seed=0):
    loader = ReplayLoader(Augmented(augmentation, seed), 3, seed, lambda: (epoch, 0), num_workers=workers)
    return [image.numpy().tobytes() for batch in loader for image in batch]


def test_an_epoch_s_augmentations_all_differ_and_repeat_with_any_number_of_workers(repository):
    augmentation = instantiate(OmegaConf.load(repository / "conf" / "augmentation" / "light.yaml"))
    expected = {epoch: epoch_of(augmentation, epoch, 0) for epoch in range(2)}
    assert len({image for images in expected.values() for image in images}) == 48
    for workers in (2, 4):
        for epoch in range(2):
            assert epoch_of(augmentation, epoch, workers) == expected[epoch]
    assert not set(epoch_of(augmentation, 0, 2, seed=1)) & set(expected[0])


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
