import hashlib
import logging
import os
import shutil
import zipfile
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2hed

from segbench.data import unpack
from segbench.data.glas import _MD5, ARCHIVE, GlasData
from segbench.data.input_format import InputFormat
from segbench.errors import ConfigError, DataError

CHANCE = np.random.default_rng(5)
# Patient 2 has images in train and in testA, as patients of the real data have.
PATIENTS = {
    **{f"train_{number}": str(1 + number // 2) for number in range(1, 9)},
    **{"testA_1": "2", "testA_2": "7", "testB_1": "8"},
}
HEADER = "name, patient ID, grade (GlaS), grade (Sirinukunwattana et al. 2015)"


def write(folder, name, size=(20, 30)):
    """A pink image with two touching glands, which only their labels tell apart, and a third."""
    height, width = size
    labels = np.zeros(size, np.uint8)
    labels[2:10, 2:9] = 1
    labels[2:10, 9:15] = 2
    labels[12:18, 5 : width - 6] = 3
    colours = np.where((labels > 0)[..., None], (120, 60, 140), (230, 180, 210)) + CHANCE.integers(-9, 9, (*size, 3))
    Image.fromarray(colours.astype(np.uint8)).save(folder / f"{name}.bmp")
    Image.fromarray(labels).save(folder / f"{name}_anno.bmp")
    return labels


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "glas"
    root.mkdir()
    for name in PATIENTS:
        write(root, name)
    rows = [HEADER, *(f"{name},{patient}, benign, healthy" for name, patient in PATIENTS.items())]
    (root / "Grade.csv").write_bytes("\r".join(rows).encode())
    return root


def module(folder, **options):
    return GlasData(**({"root": str(folder), "size": [10, 16], "cache_dir": folder.parent / "cache"} | options))


def ids_of(data):
    return {part: {data.records[index].id for index in chosen} for part, chosen in data.splits.items()}


def groups_of(data, part):
    return {data.records[index].group for index in data.splits[part]}


def test_groups_are_the_patients(folder):
    data = module(folder)
    data.find()
    assert {record.id: record.group for record in data.records} == PATIENTS


def test_the_official_split_warns_of_the_patient_on_both_sides(folder, caplog):
    data = module(folder)
    with caplog.at_level(logging.WARNING):
        data.setup()
    assert ids_of(data)["test"] == {"testA_1", "testA_2", "testB_1"}
    assert not groups_of(data, "train") & groups_of(data, "val")
    assert len(groups_of(data, "val")) == 1
    assert [record.getMessage() for record in caplog.records] == [
        "data.split=official: patients 2 are in both train and test; data.split=patient keeps them apart"
    ]
    assert {part: len(found) for part, found in ids_of(module_by_image(folder)).items()}["val"] == 2


def module_by_image(folder):
    data = module(folder, split_by="image")
    data.setup()
    return data


def test_the_split_by_patient_parts_no_patient(folder, caplog):
    seen = set()
    for seed in range(5):
        data = module(folder, split="patient", split_seed=seed, test_fraction=0.3)
        data.setup()
        sides = [groups_of(data, part) for part in ("train", "val", "test")]
        assert sum(map(len, sides)) == len(set.union(*sides)) == len(set(PATIENTS.values()))
        assert sum(map(len, data.splits.values())) == len(PATIENTS)
        assert len(sides[2]) == 2
        seen.add(tuple(sorted(sides[2])))
    assert len(seen) > 1
    assert not caplog.records


def test_glands_keep_their_labels_and_the_mask_is_where_they_are(folder):
    labels = np.asarray(Image.open(folder / "train_1_anno.bmp"))
    whole = module(folder, size=None, batch_size=1)
    whole.setup()
    record = next(record for record in whole.records if record.id == "train_1")
    assert np.array_equal(whole.instances(record), labels)
    small = module(folder)
    small.setup()
    for record in small.records:
        instances = small.instances(record)
        assert instances.shape == (10, 16)
        assert set(np.unique(instances)) == {0, 1, 2, 3}
        assert np.array_equal(small.read(record)[1], instances > 0)


def test_up_to_255_glands(folder):
    labels = np.arange(600).reshape(20, 30) % 256
    Image.fromarray(labels.astype(np.uint8)).save(folder / "train_1_anno.bmp")
    data = module(folder, size=None, batch_size=1)
    data.find()
    record = next(record for record in data.records if record.id == "train_1")
    assert np.array_equal(data.instances(record), labels)
    assert np.array_equal(data.read(record)[1], labels > 0)


def test_stains_are_scaled_between_percentiles_of_the_training_images(folder):
    data = module(folder, stain="hed", size=None, batch_size=1)
    data.setup()
    training = [data.records[index] for index in data.splits["train"]]
    stains = np.concatenate(
        [rgb2hed(np.asarray(Image.open(record.image)))[..., :2].reshape(-1, 2) for record in training]
    )
    low, high = np.percentile(stains, (0.5, 99.5), axis=0)
    assert np.allclose(data.stain_ranges, np.stack([low, high], axis=1))
    record = next(record for record in data.records if record.id == "testA_2")
    expected = (rgb2hed(np.asarray(Image.open(record.image)))[..., :2] - low) / (high - low)
    image = data.read(record)[0]
    assert image.dtype == np.uint8
    assert np.abs(image / 255 - expected.clip(0, 1)).max() < 0.003
    assert data.datasets["test"][0]["image"].shape == (2, 20, 30)
    # Glands are darker: more of both stains.
    gland = np.asarray(Image.open(record.mask)) > 0
    assert (image[gland].mean(axis=0) > image[~gland].mean(axis=0)).all()


def test_the_stains_ranges_are_known_with_the_cache_and_to_prediction(folder):
    first, second = module(folder, stain="hed"), module(folder, stain="hed")
    first.setup()
    second.setup()
    assert first.stain_ranges == second.stain_ranges
    other = module(folder, stain="hed", split_seed=1)
    other.setup()
    assert other.fingerprint == first.fingerprint
    # Its arrays are others, but no other data.
    assert other.content == first.content != ""
    assert other.datasets["test"].arrays.folder != first.datasets["test"].arrays.folder
    assert module(folder, split_seed=1).find() == module(folder).find()
    inputs = InputFormat(**asdict(first.input_format()))
    assert np.array_equal(inputs.read(folder / "testA_2.bmp"), second.read_picture(folder / "testA_2.bmp"))
    assert inputs.stain_ranges == tuple(map(tuple, first.stain_ranges))


@pytest.mark.parametrize("stain", ["rgb", "hed"])
def test_a_copy_has_the_same_content_and_another_image_has_not(folder, stain, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)
    first, other, changed = (
        module(folder, stain=stain),
        *(module(copy, stain=stain, cache_dir=tmp_path / name) for name in "ab"),
    )
    for name in ("testA_1.bmp", "testA_1_anno.bmp"):
        os.utime(copy / name, ns=(1, 1))
    assert other.digest() == first.digest()
    pixels = np.array(Image.open(copy / "testA_2.bmp"))
    pixels[0] = 255 - pixels[0]
    Image.fromarray(pixels).save(copy / "testA_2.bmp")
    assert changed.digest() != first.content


def test_a_subset_will_do_and_says_so(folder, caplog):
    for name in ("train_8", "testB_1"):
        (folder / f"{name}.bmp").unlink()
        (folder / f"{name}_anno.bmp").unlink()
    module(folder).find()
    assert "has 9 of the 11 images in Grade.csv" in caplog.text


def table(folder, *rows, end="\r"):
    (folder / "Grade.csv").write_bytes(end.join(rows).encode())


def rows_but(name):
    return [HEADER, *(f"{other},{patient},x,y" for other, patient in PATIENTS.items() if other != name)]


CASES = {
    "annotation of another size": (
        lambda f: write_labels(f, (18, 30)),
        "train_1_anno.bmp: mask is 30x18, its image 30x20",
    ),
    "colour annotation": (
        lambda f: Image.new("RGB", (30, 20)).save(f / "train_1_anno.bmp"),
        "train_1_anno.bmp: RGB mask; expected one class index per pixel",
    ),
    "truncated image": (lambda f: truncate(f / "train_2.bmp"), "train_2.bmp: damaged"),
    "truncated annotation": (lambda f: truncate(f / "train_2_anno.bmp"), "train_2_anno.bmp: damaged"),
    "image without annotation": (lambda f: (f / "train_3_anno.bmp").unlink(), "train_3.bmp: image without mask"),
    "annotation without image": (lambda f: (f / "train_3.bmp").unlink(), "train_3_anno.bmp: mask without image"),
    "another name": (lambda f: (f / "train_3.bmp").rename(f / "x.bmp"), "x.bmp: expected train_N.bmp, testA_N.bmp"),
    "no row for an image": (
        lambda f: table(f, *rows_but("train_4")),
        "train_4.bmp: Grade.csv has no row train_4, so its patient is unknown",
    ),
    "no patient": (lambda f: table(f, *rows_but("train_4"), "train_4,,x,y"), "line 12 has no patient ID"),
    "no name": (lambda f: table(f, *rows_but(""), ",3,x,y"), "line 13 has no name"),
    "name twice": (lambda f: table(f, *rows_but(""), "train_4,3"), "line 13: train_4 occurs twice"),
    "no such column": (
        lambda f: table(f, "file,patient ID", "train_1,2"),
        "Grade.csv: no column name; it has file, pat",
    ),
    "empty table": (lambda f: table(f), "Grade.csv: no column name and no column patient ID; it has none"),
    "no text": (lambda f: (f / "Grade.csv").write_bytes(b"\xff\xfe\x00name"), "Grade.csv: not a CSV file"),
    "no table": (lambda f: (f / "Grade.csv").unlink(), "Grade.csv: missing; it gives the patient of each image"),
}


def write_labels(folder, size):
    Image.fromarray(np.ones(size, np.uint8)).save(folder / "train_1_anno.bmp")


def truncate(path):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])


@pytest.mark.slow
@pytest.mark.parametrize("stain", ["rgb", "hed"])
@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_told_with_its_file(folder, case, stain):
    spoil, expected = CASES[case]
    spoil(folder)
    with pytest.raises(DataError) as refusal:
        module(folder, stain=stain).setup()
    assert expected in str(refusal.value)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_any_line_end(folder, end):
    table(folder, *rows_but(""), "", end=end)
    data = module(folder)
    data.find()
    assert {record.id: record.group for record in data.records} == PATIENTS


def test_choices_that_do_not_exist(folder):
    for options, expected in (
        ({"stain": "he"}, "data.stain=he: choose rgb or hed"),
        ({"split": "offical"}, "data.split=offical: choose official or patient"),
        ({"val_fraction": 0}, "data.val_fraction=0"),
        ({"test_fraction": 1.5}, "data.test_fraction=1.5"),
        ({"checksum": "abc"}, "data.checksum=abc: expected 32, 40 or 64 hexadecimal digits"),
        ({"split": "patient", "split_by": "image"}, "data.split_by=image"),
    ):
        with pytest.raises(ConfigError, match=expected):
            module(folder, **options)


# -- the archive ------------------------------------------------------------------------------------


@pytest.fixture
def packed(folder, tmp_path):
    """A folder with the archive alone; inside it, a folder, as in the official one, and a file that is none of ours."""
    root = tmp_path / "packed"
    root.mkdir()
    with zipfile.ZipFile(root / ARCHIVE, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, f"Warwick QU Dataset/{path.name}")
        archive.writestr("Warwick QU Dataset/../../outside.txt", "no")
        archive.writestr("__MACOSX/._train_1.bmp", "no")
    return root


def checksum_of(packed):
    return hashlib.md5((packed / ARCHIVE).read_bytes()).hexdigest()


def test_an_archive_is_unpacked(packed, folder, tmp_path):
    data = module(packed, checksum=checksum_of(packed))
    data.setup()
    assert {record.id: record.group for record in data.records} == PATIENTS
    unpacked = {path.name for path in packed.iterdir() if not path.name.startswith(".")}
    assert unpacked == {path.name for path in folder.iterdir()} | {ARCHIVE}
    assert all((packed / path.name).read_bytes() == path.read_bytes() for path in folder.iterdir())
    assert not list(tmp_path.rglob("outside.txt"))


def test_the_folder_that_the_archive_makes_will_do(folder, tmp_path):
    (tmp_path / "outer").mkdir()
    folder.rename(tmp_path / "outer" / "Warwick QU Dataset (Released 2016_07_08)")
    data = module(tmp_path / "outer")
    data.find()
    assert len(data.records) == len(PATIENTS)


def test_the_checksum_is_compared(packed):
    content = (packed / ARCHIVE).read_bytes()
    for given, expected in (("0" * 32, "0000"), (None, _MD5)):
        with pytest.raises(DataError, match=f"checksum is {checksum_of(packed)}, not data.checksum={expected}"):
            module(packed, checksum=given).find()
        assert not (packed / "Grade.csv").exists()
    module(packed, checksum=hashlib.sha256(content).hexdigest().upper()).find()
    assert (packed / "Grade.csv").exists()


def spoil_member(path):
    content = bytearray(path.read_bytes())
    content[300] ^= 0xFF
    path.write_bytes(bytes(content))


def spoil_what_only_the_crc_tells(path):
    with zipfile.ZipFile(path) as packed:
        content = packed.read("Warwick QU Dataset/train_1.bmp")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("Warwick QU Dataset/train_1.bmp", content)
    stored = bytearray(path.read_bytes())
    stored[stored.index(content) + 500] ^= 1
    path.write_bytes(bytes(stored))


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "damaged ZIP archive"),
        (lambda path: path.write_text("<html>"), "damaged ZIP archive"),
        (lambda path: path.write_bytes(b""), "damaged ZIP archive"),
        (spoil_member, "damaged ZIP archive (.*, at Warwick QU Dataset/"),
        (spoil_what_only_the_crc_tells, "damaged ZIP archive (Bad CRC-32 for file .*train_1.bmp"),
    ],
    ids=["truncated", "web page", "empty", "damaged member", "other CRC"],
)
def test_a_bad_archive_leaves_nothing_behind(packed, spoil, expected):
    spoil(packed / ARCHIVE)
    with pytest.raises(DataError, match=expected.replace("(", r"\(")) as refusal:
        module(packed, checksum=checksum_of(packed)).find()
    assert "\n" not in str(refusal.value)
    assert {path.name for path in packed.iterdir() if not path.name.startswith(".")} == {ARCHIVE}
    assert not (packed / ".unpacking").exists()


def test_who_is_stopped_while_it_waits_leaves_what_another_unpacks(packed, monkeypatch):
    partial = packed / ".unpacking"
    partial.mkdir()

    class Waiting:
        def __init__(self, path):
            pass

        def __enter__(self):
            raise KeyboardInterrupt

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(unpack, "FileLock", Waiting)
    with pytest.raises(KeyboardInterrupt):
        module(packed).find()
    assert partial.is_dir()


def test_another_archive_is_refused(packed):
    with zipfile.ZipFile(packed / ARCHIVE, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(DataError, match="contains no Grade.csv; it is another archive"):
        module(packed, checksum=checksum_of(packed)).find()


def test_an_absent_archive_is_fetched_and_checked(packed, serve, tmp_path):
    there = tmp_path / "new"
    with serve(packed) as address:
        data = module(there, url=f"{address}/", checksum=checksum_of(packed))
        data.setup()
        assert {record.id: record.group for record in data.records} == PATIENTS
        assert (there / ARCHIVE).read_bytes() == (packed / ARCHIVE).read_bytes()
        other = tmp_path / "other"
        with pytest.raises(DataError, match=f"{ARCHIVE}: wrong checksum .md5 {checksum_of(packed)}, not {_MD5}"):
            module(other, url=address).find()
    assert not list(other.glob("*.zip"))


def test_without_network_it_is_said_what_belongs_where(tmp_path):
    for root in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(DataError) as refusal:
            module(root, url="http://127.0.0.1:9").find()
        assert f"{root / ARCHIVE}: missing, and cannot download http://127.0.0.1:9/{ARCHIVE}" in str(refusal.value)
        assert "\n" not in str(refusal.value)
