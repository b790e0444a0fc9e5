import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from segbench.augmentation import Augmentation
from segbench.data.acdc import ACDCData
from segbench.data.cells import CellsData
from segbench.data.pictures import open_picture
from segbench.errors import ConfigError, DataError

CHANCE = np.random.default_rng(8)
FRAMES = {"Train": (1, 2, 6, 15), "Val": (4, 40)}


def labels():
    """Three cells, two of them a boundary of one pixel apart, two touching at a corner."""
    mask = np.zeros((24, 36), np.uint8)
    mask[2:12, 2:10] = 1
    mask[2:12, 10] = 2
    mask[2:12, 11:20] = 1
    mask[14:18, 24:28] = 1
    mask[18:22, 28:32] = 1
    return mask


def write(folder, part, frame):
    raw, seg = folder / part / "Raw", folder / part / "Seg"
    raw.mkdir(parents=True, exist_ok=True)
    seg.mkdir(parents=True, exist_ok=True)
    mask, name = labels(), f"Alon_Lab_H1299_t_{frame}_y_1_x_1.png"
    # Cells that differ in the high byte alone from each other, and dark ones that 8 bits would lose.
    image = CHANCE.integers(0, 60, mask.shape) + 200 * (mask > 0) + 1100 * (mask == 1) * (np.arange(36) > 10)
    Image.fromarray(image.astype(np.uint16)).save(raw / name)
    Image.fromarray(mask).save(seg / name)
    return image


@pytest.fixture
def folder(tmp_path):
    for part, frames in FRAMES.items():
        for frame in frames:
            write(tmp_path / "cells", part, frame)
    return tmp_path / "cells"


def module(folder, **options):
    return CellsData(**({"root": str(folder), "cache_dir": folder.parent / "cache"} | options))


def record_of(data, name):
    data.find()
    return next(record for record in data.records if record.id == name)


def path_of(folder, part="Train", kind="Raw", frame=6):
    return folder / part / kind / f"Alon_Lab_H1299_t_{frame}_y_1_x_1.png"


def test_the_official_split_in_the_order_of_time_each_frame_a_group(folder):
    data = module(folder)
    data.setup()
    ids = {part: [data.records[index].id for index in chosen] for part, chosen in data.splits.items()}
    assert ids == {
        "train": ["Train/t_001", "Train/t_002", "Train/t_006", "Train/t_015"],
        "val": ["Val/t_004", "Val/t_040"],
    }
    assert len({record.group for record in data.records}) == 6
    assert list(data.eval_dataloaders()) == ["val"]
    other = module(folder, split_seed=1)
    other.setup()
    assert other.splits == data.splits
    whole = module(folder, fit_on="train+val")
    whole.setup()
    assert {part: len(chosen) for part, chosen in whole.splits.items()} == {"train": 6}


def test_a_name_of_another_kind_is_the_id(folder):
    for kind in ("Raw", "Seg"):
        path_of(folder, kind=kind).rename(folder / "Train" / kind / "mine_t_6.png")
    assert record_of(module(folder), "Train/mine_t_6").image.name == "mine_t_6.png"


@pytest.mark.parametrize("percentiles", [(1.0, 99.8), (0, 100), (5, 90)])
def test_all_16_bits_are_kept_until_a_frame_is_scaled_by_its_own_percentiles(folder, percentiles):
    data = module(folder, percentiles=percentiles)
    record = record_of(data, "Train/t_006")
    stored = np.asarray(Image.open(record.image)).astype(np.float64)
    low, high = np.percentile(stored, percentiles)
    image, mask = data.read(record)
    assert image.dtype == np.uint16
    assert image.shape == (24, 36, 1)
    assert np.abs(image[..., 0] - 65535 * ((stored - low) / (high - low)).clip(0, 1)).max() <= 0.51
    # As many values as the file has between the percentiles: none has been merged.
    inside = stored[(stored >= low) & (stored <= high)]
    assert len(np.unique(image)) == len(np.unique(np.r_[low, high, inside]))
    assert len(np.unique(inside // 256)) > 1
    assert np.array_equal(mask, labels())


def test_the_gain_of_the_detector_changes_nothing(folder):
    data = module(folder)
    record = record_of(data, "Train/t_006")
    before = data.read(record)[0]
    stored = np.asarray(Image.open(record.image))
    Image.fromarray((stored * 30 + 500).astype(np.uint16)).save(record.image)
    assert np.abs(data.read(record)[0].astype(int) - before).max() <= 1


def test_batches_are_normalised_and_may_be_augmented(folder):
    flips = Augmentation([_flip()])
    data = module(folder, augmentation=flips)
    data.setup()
    images = np.stack([data.datasets["train"][index]["image"].numpy() for index in range(4)])
    assert images.shape == (4, 1, 24, 36)
    assert images.mean() == pytest.approx(0, abs=1e-4)
    assert images.std() == pytest.approx(1, abs=1e-4)
    plain, flipped = data.datasets["train"][0], data.datasets["train"][0, 0]
    assert np.array_equal(plain["image"].numpy()[..., ::-1], flipped["image"].numpy())
    assert np.array_equal(plain["mask"].numpy()[..., ::-1], flipped["mask"].numpy())


def _flip():
    import albumentations

    return albumentations.HorizontalFlip(p=1.0)


def test_instances_are_the_components_of_the_class_cell(folder):
    data = module(folder)
    instances = data.instances(record_of(data, "Val/t_004"))
    oracle, count = ndimage.label(labels() == 1, np.ones((3, 3)))
    assert count == 3
    # The same pixels lie together, whatever the numbers.
    assert len(set(zip(instances.ravel().tolist(), oracle.ravel().tolist(), strict=True))) == count + 1
    assert np.array_equal(instances > 0, labels() == 1)
    assert data.object_classes == ("cell",)


def test_resized_instances_lie_on_the_mask_and_stay_apart(folder):
    data = module(folder, size=[12, 18])
    data.setup()
    for index, record in enumerate(data.records):
        instances = data.instances(record)
        image, mask = data.read(record)
        assert image.dtype == np.uint16
        assert image.shape == (12, 18, 1)
        assert np.array_equal(instances > 0, mask == 1)
        assert np.array_equal(data.datasets["train"].arrays.targets[index], mask)
        # The boundary between two of them is lost at this size, the cells are not.
        assert set(np.unique(instances)) == {0, 1, 2, 3}
    assert ndimage.label(mask == 1, np.ones((3, 3)))[1] == 2


def test_arrays_are_read_anew_for_other_percentiles(folder):
    assert module(folder).find() != module(folder, percentiles=[0, 100]).find()
    assert module(folder).find() == module(folder).find()


def test_a_file_to_predict_is_read_like_the_frames(folder, tmp_path):
    data = module(folder)
    data.setup()
    picture = open_picture(path_of(folder), data.input_format())
    assert np.array_equal(picture.pixels[0], data.read(record_of(data, "Train/t_006"))[0])
    # One of 8 bits still becomes the stored scale of a data set of another scale.
    Image.fromarray(np.full((24, 36), 51, np.uint8)).save(tmp_path / "grey.png")
    grey = open_picture(tmp_path / "grey.png", ACDCData(cache_dir=tmp_path).input_format())
    assert grey.pixels == pytest.approx(0.2)


def save(path, array):
    Image.fromarray(array).save(path)


CASES = {
    "8 bits": (
        lambda f: save(path_of(f), np.zeros((24, 36), np.uint8)),
        "_t_6_y_1_x_1.png: 8-bit grey image; this data set reads 16-bit grey images",
    ),
    "colour": (
        lambda f: save(path_of(f), np.zeros((24, 36, 3), np.uint8)),
        "_t_6_y_1_x_1.png: RGB image; this data set reads 16-bit grey images",
    ),
    "constant": (
        lambda f: save(path_of(f), np.full((24, 36), 7, np.uint16)),
        "_t_6_y_1_x_1.png: constant intensity (percentiles (1.0, 99.8) are both 7)",
    ),
    "truncated": (
        lambda f: path_of(f).write_bytes(path_of(f).read_bytes()[:-200]),
        "_t_6_y_1_x_1.png: damaged",
    ),
    "several frames": (
        lambda f: Image.new("L", (36, 24)).save(path_of(f), save_all=True, append_images=[Image.new("L", (36, 24), 9)]),
        "_t_6_y_1_x_1.png: 2 frames; expected a single image",
    ),
    "label of another size": (
        lambda f: save(path_of(f, kind="Seg"), np.ones((24, 35), np.uint8)),
        "_t_6_y_1_x_1.png: mask is 35x24, its image 36x24",
    ),
    "another label": (
        lambda f: save(path_of(f, kind="Seg"), np.full((24, 36), 3, np.uint8)),
        "labels outside the classes: 3 (864 pixels); expected 0, 1, 2",
    ),
    "no label": (lambda f: path_of(f, kind="Seg").unlink(), "_t_6_y_1_x_1.png: image without mask"),
    "no image": (lambda f: path_of(f).unlink(), "_t_6_y_1_x_1.png: mask without image"),
    "one frame twice": (
        lambda f: (f / "Train/Raw/x_t_06_y_1_x_1.png").write_bytes(path_of(f).read_bytes()),
        "are both t_006; keep one",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_told_with_its_file(folder, case):
    spoil, expected = CASES[case]
    spoil(folder)
    with pytest.raises(DataError) as refusal:
        module(folder).setup()
    assert expected in str(refusal.value)
    assert "files cannot be used" in str(refusal.value) or "1 file cannot be used" in str(refusal.value)


def test_an_empty_annotation_will_do_but_not_of_all_frames(folder):
    for frame in FRAMES["Train"]:
        save(path_of(folder, kind="Seg", frame=frame), np.zeros((24, 36), np.uint8))
        data = module(folder)
        if frame != FRAMES["Train"][-1]:
            data.setup()
            assert not data.instances(record_of(data, f"Train/t_{frame:03d}")).any()
    with pytest.raises(DataError, match="all training masks are background only"):
        data.setup()


def test_what_is_missing_is_named(folder, tmp_path):
    with pytest.raises(DataError, match="nowhere: no such folder .*expected Train and Val, each with Raw"):
        module(tmp_path / "nowhere").find()
    (folder / "Val").rename(folder / "Test")
    with pytest.raises(DataError, match="Raw: no such folder; expected Train and Val"):
        module(folder).find()


@pytest.mark.parametrize("percentiles", [[99, 1], [1], [-1, 50], [0, 101], [5, 5], [1, 2, 3]])
def test_percentiles_that_are_none(folder, percentiles):
    with pytest.raises(ConfigError, match="data.percentiles=.*two ascending numbers"):
        module(folder, percentiles=percentiles)
