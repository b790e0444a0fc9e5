"""Layouts that people have: each is read pixel by pixel as it was written."""

import json

import nibabel as nib
import numpy as np
import pytest
from tests.data.folder.conftest import CLASSES, NUMBERS, drawing, pairs, picture, read, same, save

BINARY = CLASSES.copy()
BINARY[255] = 1


def test_folders_below_folders_are_part_of_the_id(own, folder):
    for plot in ("north", "south"):
        pairs(own, f"images/{plot}/a{{}}.png", f"masks/{plot}/a{{}}.png", range(1, 5))
    assert sorted(read(folder())) == [f"{plot}/a{number}" for plot in ("north", "south") for number in range(1, 5)]


@pytest.mark.parametrize(
    "layout", ["{part}/images/a{{}}.png {part}/masks/a{{}}.png", "{part}/a{{}}.png {part}/a{{}}_mask.png"]
)
def test_folders_of_parts_are_the_split(own, folder, layout):
    for part, numbers in (("Train", range(1, 6)), ("valid", range(6, 8)), ("test", range(8, 9))):
        pairs(own, *layout.format(part=part).split(), numbers)
    data = folder()
    data.setup()
    ids = {part: [data.records[index].id for index in chosen] for part, chosen in data.splits.items()}
    assert ids == {"train": [f"Train/a{n}" for n in range(1, 6)], "val": ["valid/a6", "valid/a7"], "test": ["test/a8"]}


def test_names_that_begin_with_parts_are_the_split(own, folder):
    pairs(own, "train_{}.png", "train_{}_anno.png", range(1, 6))
    pairs(own, "testA_{}.png", "testA_{}_anno.png", range(1, 3))
    data = folder()
    data.setup()
    assert {part: len(chosen) for part, chosen in data.splits.items()} == {"train": 4, "val": 1, "test": 2}
    random = folder(split="random", val_fraction=0.2, test_fraction=0)
    random.setup()
    assert {part: len(chosen) for part, chosen in random.splits.items()} == {"train": 6, "val": 1}


def test_a_table_lists_images_masks_parts_and_groups(own, folder):
    written = pairs(own, "anywhere/{}.png", "elsewhere/m{}.png")
    rows = ["id;image;mask;split;group"]
    rows += [f"n{n};anywhere/{n}.png;elsewhere/m{n}.png;{'test' if n > 6 else 'training'};g{n // 3}" for n in NUMBERS]
    (own / "list.csv").write_text("\r\n".join(rows))
    data = folder(table="list.csv")
    same(read(data), written, "n{}", CLASSES)
    data.setup()
    assert {data.records[index].id for index in data.splits["test"]} == {"n7", "n8"}
    assert data.groups()["n3"] == data.groups()["n5"] == "g1"


def test_a_table_looks_up_groups_by_any_column_of_names(own, folder):
    pairs(own, "{}.png", "{}_mask.png")
    (own / "t.csv").write_text("who,file\n" + "\n".join(f"p{n % 4},{n}.png" for n in (*NUMBERS, 99)))
    data = folder(table="t.csv", group="who")
    read(data)
    assert data.groups() == {f"{n}": f"p{n % 4}" for n in NUMBERS}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "kind", "suffix"),
    [
        ((24, 32), np.uint8, "png"),
        ((24, 32), np.uint8, "bmp"),
        ((24, 32, 3), np.uint8, "tif"),
        ((24, 32, 3), np.uint8, "webp"),
    ],
)
def test_formats_of_8_bits_are_stored_as_they_are(own, folder, shape, kind, suffix):
    if suffix == "webp":
        for number in NUMBERS:
            save(own / f"images/{number}.webp", picture(number), lossless=True)
            save(own / f"masks/{number}.png", drawing(number))
        written = {number: (picture(number), drawing(number)) for number in NUMBERS}
    else:
        written = pairs(own, f"images/{{}}.{suffix}", "masks/{}.png", shape=shape, kind=kind)
    data = folder()
    same(read(data), written, classes=CLASSES)
    assert data.in_channels == (1 if len(shape) == 2 else 3)


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_more_bits_are_scaled_by_percentiles_or_a_range(own, folder, kind):
    written = pairs(own, "images/{}.tif", "masks/{}.png", shape=(24, 32), kind=kind)
    for options in ({}, {"intensity": [100, 3000]}):
        found = read(folder(**options))
        for number, (image, _) in written.items():
            low, high = options.get("intensity") or np.percentile(image, (1, 99.8))
            expected = np.clip((image.astype(float) - low) / (high - low), 0, 1) * 65535
            assert found[str(number)][0].dtype == np.uint16
            assert abs(found[str(number)][0][..., 0] - expected).max() <= 1


def test_five_channels_in_one_page_or_in_a_page_each(own, folder):
    for number in NUMBERS:
        stack = picture(number, (24, 32, 5))
        if number % 2:
            save(own / f"images/{number}.tif", stack, photometric="minisblack", planarconfig="contig")
        else:
            save(own / f"images/{number}.tif", np.moveaxis(stack, -1, 0), photometric="minisblack")
        save(own / f"masks/{number}.png", drawing(number))
    data = folder()
    found = read(data)
    assert data.in_channels == 5
    assert all(np.array_equal(found[str(number)][0], picture(number, (24, 32, 5))) for number in NUMBERS)


def test_pages_of_a_stack_are_images_if_there_is_a_mask_for_each(own, folder):
    for number in range(1, 5):
        stack = np.stack([picture(10 * number + page, (24, 32)) for page in range(3)])
        masks = np.stack([drawing(10 * number + page) for page in range(3)])
        save(own / f"images/{number}.tif", stack, photometric="minisblack")
        save(own / f"masks/{number}.tif", masks, photometric="minisblack")
    data = folder()
    found = read(data)
    assert len(found) == 12
    for number in range(1, 5):
        for page in range(3):
            image, mask = found[f"{number}/{page:03d}"]
            assert np.array_equal(image[..., 0], picture(10 * number + page, (24, 32)))
            assert np.array_equal(mask, drawing(10 * number + page))
    assert set(data.groups().values()) == {"1", "2", "3", "4"}


def test_slices_of_volumes_keep_their_spacing(own, folder):
    for number in range(1, 5):
        voxels = picture(number, (20, 16, 3), np.uint16).astype(np.int16)
        labels = np.stack([drawing(number, (20, 16))] * 3, axis=2)
        for kind, values in (("images", voxels), ("masks", labels)):
            (own / kind).mkdir(parents=True, exist_ok=True)
            volume = nib.Nifti1Image(values, np.diag([2.0, 2.0, 8.0, 1]))
            volume.header.set_xyzt_units("mm")
            nib.save(volume, own / kind / f"{number}.nii.gz")
    data = folder(size="auto", spacing=2.0)
    data.setup()
    assert (data.unit, data.size, len(data.records)) == ("mm", (16, 32), 12)
    assert data.pixel_spacing(data.records[0]) == (2.0, 2.0)
    volume = next(volume for part in data.splits for volume in data.volume_slices(part) if volume.id == "2")
    assert volume.spacing == (8.0, 2.0, 2.0)
    assert np.array_equal(volume.truth()[1], drawing(2, (20, 16)).T)
    image, mask = data.read(next(record for record in data.records if record.id == "2/001"))
    # 16 rows and 20 columns, in the middle of 32 columns.
    assert np.array_equal(mask[:, 6:26], drawing(2, (20, 16)).T)
    assert (mask[:, :6] == 255).all()
    voxels = picture(2, (20, 16, 3), np.uint16).astype(float)
    low, high = np.percentile(voxels, (1, 99))
    assert abs(image[:, 6:26, 0] / 65535 - np.clip((voxels[:, :, 1].T - low) / (high - low), 0, 1)).max() < 1e-4


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ((0, 255), ("background", "foreground")),
        ((0, 1, 2, 3), ("background", "class 1", "class 2", "class 3")),
        ((1, 2), ("class 1", "class 2")),
        ((0, 7, 200), ("background", "class 7", "class 200")),
    ],
)
def test_classes_are_the_values_of_the_masks(own, folder, labels, names):
    written = pairs(own, "images/{}.png", "masks/{}.png", labels=labels)
    data = folder()
    table = np.full(256, 255, np.uint8)
    table[list(labels)] = range(len(labels))
    same(read(data), written, classes=table)
    assert (data.class_names, data.background) == (names, labels[0] == 0)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["dictionary", "yaml", "json", "csv"])
def test_classes_are_named_by_hand_or_by_a_file(own, folder, form):
    written = pairs(own, "images/{}.png", "masks/{}.png", labels=(0, 7, 9, 255))
    named = {"gland": [7, 9], "background": 0, "ignore": 255}
    (own / "c.json").write_text(json.dumps(named))
    (own / "c.yaml").write_text("gland: [7, 9]\nbackground: 0\nignore: others\n")
    (own / "c.csv").write_text("value,name\n7,gland\n9,gland\n0,background\n255,ignore\n")
    data = folder(classes=named if form == "dictionary" else f"c.{form}")
    table = np.full(256, 255, np.uint8)
    table[[0, 7, 9]] = 0, 1, 1
    same(read(data), written, classes=table)
    assert data.class_names == ("background", "gland")


def test_colours_are_classes_in_rgb_and_in_palettes(own, folder):
    palette = [0, 0, 0, 128, 64, 128, 0, 0, 142]
    colours = np.array(palette).reshape(-1, 3).astype(np.uint8)
    for number in NUMBERS:
        save(own / f"images/{number}.png", picture(number))
        mask = drawing(number, labels=(0, 1, 2))
        if number % 2:
            save(own / f"masks/{number}.png", colours[mask])
        else:
            save(own / f"masks/{number}.png", mask, palette=palette)
    data = folder(colours={"road": "#804080", "car": "00008E", "background": "#000000"})
    found = read(data)
    assert data.class_names == ("background", "road", "car")
    assert data.class_colours == ("#000000", "#804080", "#00008E")
    assert all(np.array_equal(found[str(n)][1], drawing(n, labels=(0, 1, 2))) for n in NUMBERS)


def test_black_and_white_palettes_are_read_by_their_colours(own, folder):
    for number in NUMBERS:
        save(own / f"images/{number}.png", picture(number))
        mask = drawing(number)
        turned = number % 2
        save(
            own / f"masks/{number}.gif",
            1 - mask if turned else mask,
            palette=[255] * 3 + [0] * 3 if turned else [0] * 3 + [255] * 3,
        )
    found = read(folder())
    assert all(np.array_equal(found[str(n)][1], drawing(n)) for n in NUMBERS)


def test_masks_number_objects(own, folder):
    for number in NUMBERS:
        save(own / f"images/{number}.png", picture(number))
        save(own / f"masks/{number}.png", drawing(number, labels=(0, 3, 9)))
    data = folder(instances=True, boundary=0, classes=["cell"])
    found = read(data)
    assert data.class_names == ("background", "cell")
    for record in data.records:
        assert np.array_equal(data.instances(record), drawing(int(record.id), labels=(0, 3, 9)))
        assert np.array_equal(found[record.id][1], data.instances(record) > 0)
    assert [type(scores).__name__ for scores in data.own_scores()] == ["ObjectScores", "SegScores"]
    assert folder(instances=True, cache_dir=own.parent / "other").own_scores() == []
    rim = folder(instances=True)
    assert set(np.unique(read(rim)["1"][1])) == {0, 1, 2}
    assert rim.class_names == ("background", "object", "boundary")


def test_a_folder_of_masks_for_each_of_several_classes(own, folder):
    for number in NUMBERS:
        save(own / f"images/{number}.png", picture(number))
        save(own / f"glands/{number}.png", 255 * drawing(number))
        save(own / f"tumours/{number}_mask.png", drawing(number + 1) * (number > 2))
    data = folder(masks={"gland": "glands", "tumour": "tumours"})
    found = read(data)
    assert data.class_names == ("gland", "tumour")
    for number in NUMBERS:
        assert np.array_equal(found[str(number)][1] & 1, drawing(number))
        assert np.array_equal(found[str(number)][1] >> 1, drawing(number + 1) * (number > 2))
    data.setup()
    assert data.datasets["train"][0]["mask"].shape == (2, 24, 32)
