import hashlib
import logging
import zipfile

import numpy as np
import pytest
import tifffile
from PIL import Image

from segbench.data.boundaries import with_boundary
from segbench.data.ctc import ARCHIVES, CTCData
from segbench.data.plane import resample_labels
from segbench.errors import ConfigError, DataError
from segbench.scores.objects import components

CHANCE = np.random.default_rng(4)
NAME = "DIC-C2DH-HeLa"
SIZE = (32, 48)


def labels(frame=0):
    """Two cells that share an edge, one alone; numbers as far apart as a long sequence has them."""
    cells = np.zeros(SIZE, np.uint16)
    cells[4:16, 4 + frame % 3 : 16] = 3
    cells[4:16, 16:30] = 65535
    cells[20:30, 10:22] = 1000
    return cells


def frame_of(cells, depth=np.uint8):
    top = 40 if depth == np.uint8 else 3000
    return (CHANCE.integers(0, top, cells.shape) + (cells > 0) * 4 * top).astype(depth)


def write_sequence(folder, sequence, frames=10, labelled=(0, 3, 5, 6, 9), depth=np.uint8):
    images, seg = folder / sequence, folder / f"{sequence}_GT" / "SEG"
    images.mkdir(parents=True)
    seg.mkdir(parents=True)
    (folder / f"{sequence}_GT" / "TRA").mkdir()
    (folder / f"{sequence}_ST" / "SEG").mkdir(parents=True)
    for frame in range(frames):
        cells = labels(frame)
        tifffile.imwrite(images / f"t{frame:03d}.tif", frame_of(cells, depth))
        # Of other annotations, which are not read.
        tifffile.imwrite(folder / f"{sequence}_GT" / "TRA" / f"man_track{frame:03d}.tif", cells)
        tifffile.imwrite(folder / f"{sequence}_ST" / "SEG" / f"man_seg{frame:03d}.tif", cells)
        if frame in labelled:
            tifffile.imwrite(seg / f"man_seg{frame:03d}.tif", cells, compression="deflate" if frame == 3 else None)
    (folder / f"{sequence}_GT" / "TRA" / "man_track.txt").write_text("1 0 9 0\n")


@pytest.fixture
def folder(tmp_path):
    for sequence in ("01", "02"):
        write_sequence(tmp_path / "ctc" / NAME, sequence)
    return tmp_path / "ctc"


def module(folder, **options):
    return CTCData(**({"root": str(folder), "name": NAME, "cache_dir": folder.parent / "cache"} | options))


def ids_of(data):
    return {part: [data.records[index].id for index in chosen] for part, chosen in data.splits.items()}


def record_of(data, name):
    data.find()
    return next(record for record in data.records if record.id == name)


# -- splits -----------------------------------------------------------------------------------------


def test_only_frames_with_labels_are_used_and_the_others_counted(folder, caplog):
    data = module(folder)
    with caplog.at_level(logging.INFO):
        data.setup()
    assert [record.id for record in data.records[:5]] == ["01/t000", "01/t003", "01/t005", "01/t006", "01/t009"]
    assert {record.id: record.group for record in data.records}["02/t003"] == "02"
    told = [record.getMessage() for record in caplog.records if "labels" in record.getMessage()]
    assert told == [f"data.root={folder / NAME}: 10 of 20 frames have no labels and are not used"]


def test_one_sequence_trains_its_end_validates_and_the_other_tests(folder):
    data = module(folder)
    data.setup()
    assert ids_of(data) == {
        "train": ["01/t000", "01/t003", "01/t005", "01/t006"],
        "val": ["01/t009"],
        "test": ["02/t000", "02/t003", "02/t005", "02/t006", "02/t009"],
    }
    other = module(folder, test_sequence=1, val_fraction=0.4, split_seed=7)
    other.setup()
    assert ids_of(other)["val"] == ["02/t006", "02/t009"]
    assert {name[:2] for name in ids_of(other)["test"]} == {"01"}


def test_a_single_sequence_has_no_test_and_of_three_whole_ones_validate(folder):
    alone = folder / "alone"
    write_sequence(alone, "01", depth=np.uint16)
    data = module(alone, name=None)
    data.setup()
    assert {part: len(found) for part, found in ids_of(data).items()} == {"train": 4, "val": 1}
    assert data.summary()["name"] == "ctc"
    for sequence in ("03", "04"):
        write_sequence(folder / NAME, sequence)
    chosen = set()
    for seed in range(6):
        data = module(folder, split_seed=seed)
        data.setup()
        sides = {part: {name[:2] for name in found} for part, found in ids_of(data).items()}
        assert sides["test"] == {"04"}
        assert not sides["train"] & sides["val"]
        chosen |= sides["val"]
    assert len(chosen) > 1
    assert data.summary()["groups"] == {"train": 2, "val": 1, "test": 1}


# -- frames and classes -----------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_frames_of_8_and_16_bits_are_scaled_by_their_percentiles(tmp_path, depth):
    write_sequence(tmp_path / "own", "01", depth=depth)
    data = module(tmp_path / "own", name=None)
    data.setup()
    record = record_of(data, "01/t003")
    stored = tifffile.imread(record.image).astype(float)
    assert stored.max() > (255 if depth == np.uint16 else 100)
    low, high = np.percentile(stored, (1.0, 99.8))
    image = data.read(record)[0]
    assert image.dtype == np.uint16
    assert np.abs(image[..., 0] - 65535 * ((stored - low) / (high - low)).clip(0, 1)).max() <= 0.51
    assert data.datasets["train"][0]["image"].shape == (1, *SIZE)


@pytest.mark.slow
@pytest.mark.parametrize("size", [None, (16, 24), (40, 40)])
@pytest.mark.parametrize("width", [1, 2])
def test_the_boundary_is_made_at_the_size_that_is_stored(folder, size, width):
    data = module(folder, size=size, boundary=width)
    data.setup()
    assert data.class_names == ("background", "cell", "boundary")
    for record in data.records:
        cells = tifffile.imread(record.mask)
        cells = cells if size is None else resample_labels(cells, size)
        image, mask = data.read(record)
        assert image.shape == (*mask.shape, 1)
        assert np.array_equal(mask, with_boundary(cells, width))
        instances = data.instances(record)
        assert np.array_equal(instances, cells)
        assert set(np.unique(instances)) == {0, 3, 1000, 65535}
        assert components(mask == 1).max() == 3
    assert set(np.unique(data.datasets["test"].arrays.targets)) == {0, 1, 2}


def test_without_boundary_there_are_two_classes_and_touching_cells_are_one(folder):
    data = module(folder, boundary=0)
    data.setup()
    assert data.class_names == ("background", "cell")
    assert data.num_classes == len(data.class_frequencies) == 2
    record = record_of(data, "02/t000")
    mask = data.read(record)[1]
    assert np.array_equal(mask, labels() > 0)
    assert components(mask == 1).max() == 2
    assert len(np.unique(data.instances(record))) == 4
    assert module(folder).num_classes == 3
    assert data.object_classes == ("cell",)


def test_arrays_are_read_anew_for_another_boundary(folder):
    assert module(folder, boundary=1).find() != module(folder, boundary=2).find()


def test_labels_of_32_bits_and_of_another_byte_order_will_do(folder):
    seg = folder / NAME / "01_GT" / "SEG"
    tifffile.imwrite(seg / "man_seg003.tif", labels(3).astype(np.int32))
    tifffile.imwrite(seg / "man_seg005.tif", labels(5).astype(np.uint32))
    tifffile.imwrite(seg / "man_seg006.tif", labels(6), byteorder=">")
    data = module(folder)
    for frame in (3, 5, 6):
        assert np.array_equal(data.instances(record_of(data, f"01/t{frame:03d}")), labels(frame))


def test_an_empty_annotation_will_do_but_not_of_all_frames(folder):
    seg = folder / NAME / "01_GT" / "SEG"
    tifffile.imwrite(seg / "man_seg003.tif", np.zeros(SIZE, np.uint16))
    data = module(folder)
    data.setup()
    assert not data.instances(record_of(data, "01/t003")).any()
    assert not data.read(record_of(data, "01/t003"))[1].any()
    for path in seg.iterdir():
        tifffile.imwrite(path, np.zeros(SIZE, np.uint16))
    with pytest.raises(DataError, match="all training masks are background only"):
        module(folder).setup()


# -- bad input --------------------------------------------------------------------------------------


def over(path, array, **options):
    tifffile.imwrite(path, array, **options)


def high(number):
    cells = labels().astype(np.uint32)
    cells[cells == 3] = number
    return cells


CASES = {
    "several pages": (
        lambda f: over(f / "01/t003.tif", np.stack([frame_of(labels())] * 3), photometric="minisblack"),
        "t003.tif: 3 pages (48x32, 48x32, 48x32); expected a single image",
    ),
    "labels of several pages": (
        lambda f: over(f / "01_GT/SEG/man_seg003.tif", np.stack([labels()] * 2), photometric="minisblack"),
        "man_seg003.tif: 2 pages (48x32, 48x32); expected a single image",
    ),
    "ids over 65535": (
        lambda f: over(f / "01_GT/SEG/man_seg003.tif", high(70000)),
        "man_seg003.tif: labels from 0 to 70000; number objects from 1 to 65535",
    ),
    "ids below 0": (
        lambda f: over(f / "01_GT/SEG/man_seg003.tif", high(5).astype(np.int32) - 1),
        "man_seg003.tif: labels from -1 to 65534; number objects from 1 to 65535",
    ),
    "ids that are no whole numbers": (
        lambda f: over(f / "01_GT/SEG/man_seg003.tif", labels().astype(np.float32) / 2),
        "man_seg003.tif: labels are not integers",
    ),
    "colour labels": (
        lambda f: over(f / "01_GT/SEG/man_seg003.tif", np.zeros((*SIZE, 3), np.uint8), photometric="rgb"),
        "man_seg003.tif: RGB mask; expected one label per object",
    ),
    "lossy labels": (
        lambda f: Image.fromarray(labels().astype(np.uint8)).save(f / "01_GT/SEG/man_seg003.tif", compression="jpeg"),
        "man_seg003.tif: lossy mask",
    ),
    "labels of another size": (
        lambda f: over(f / "01_GT/SEG/man_seg003.tif", labels()[:, :40]),
        "man_seg003.tif: mask is 40x32, its image 48x32",
    ),
    "a frame of colour": (
        lambda f: over(f / "01/t003.tif", np.zeros((*SIZE, 3), np.uint8), photometric="rgb"),
        "t003.tif: RGB image; this data set reads 8 and 16-bit grey images",
    ),
    "a damaged frame": (
        lambda f: (f / "01/t003.tif").write_bytes((f / "01/t003.tif").read_bytes()[:400]),
        "t003.tif: damaged",
    ),
    "an empty frame": (lambda f: (f / "01/t003.tif").write_bytes(b""), "t003.tif: empty file"),
    "a constant frame": (
        lambda f: over(f / "01/t003.tif", np.full(SIZE, 9, np.uint8)),
        "t003.tif: constant intensity",
    ),
    "labels without their frame": (
        lambda f: (f / "01/t003.tif").unlink(),
        "man_seg003.tif: mask without image",
    ),
    "no folder of labels": (
        lambda f: [path.unlink() for path in (f / "02_GT/SEG").iterdir()] and (f / "02_GT/SEG").rmdir(),
        "02_GT/SEG: no such folder; expected 01/tNNN.tif and 01_GT/SEG/man_segNNN.tif",
    ),
    "no labels in it": (
        lambda f: [path.unlink() for path in (f / "02_GT/SEG").iterdir()],
        "02_GT/SEG: no images found; expected",
    ),
    "labels without a sequence": (
        lambda f: (f / "02").rename(f / "2"),
        "DIC-C2DH-HeLa/02: no such folder; expected",
    ),
    "one frame twice": (
        lambda f: over(f / "01/t0003.tif", frame_of(labels())),
        "t0003.tif and t003.tif are both 003; keep one",
    ),
    "labels of a slice of a volume": (
        lambda f: over(f / "01_GT/SEG/man_seg_003_012.tif", labels()),
        "man_seg_003_012.tif: expected 01/tNNN.tif and 01_GT/SEG/man_segNNN.tif of two-dimensional data",
    ),
    "a frame of another name": (
        lambda f: (f / "01/t003.tif").rename(f / "01/frame003.tif"),
        "frame003.tif: expected 01/tNNN.tif",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_told_with_its_file(folder, case):
    spoil, expected = CASES[case]
    spoil(folder / NAME)
    with pytest.raises(DataError) as refusal:
        module(folder).setup()
    assert expected in str(refusal.value)
    lines = str(refusal.value).splitlines()
    which = "it" if len(lines) == 2 else "them"
    assert len(lines) == 1 or (lines[0].endswith(f"fix or remove {which}:") and len(lines) <= 3)


def test_a_frame_without_labels_may_be_bad(folder):
    (folder / NAME / "01" / "t001.tif").write_bytes(b"")
    module(folder).setup()


def test_choices_that_do_not_exist(folder):
    for options, expected in (
        ({"split_by": "image"}, "data.split_by=image: ctc is split by sequence"),
        ({"boundary": -1}, "data.boundary=-1: must be a number of pixels"),
        ({"val_fraction": 1}, "data.val_fraction=1: must be between 0 and 1"),
        ({"name": "../other"}, "data.name=../other: must be a folder name"),
        ({"percentiles": [3, 2]}, "data.percentiles="),
        ({"checksum": "abc"}, "data.checksum=abc: expected 32, 40 or 64"),
    ):
        with pytest.raises(ConfigError, match=expected):
            module(folder, **options)
    with pytest.raises(ConfigError, match="data.test_sequence=3: choose from 01, 02"):
        module(folder, test_sequence=3).setup()
    with pytest.raises(ConfigError, match="data.size=null: the images have 2 sizes"):
        for path in [*(folder / NAME / "02").iterdir(), *(folder / NAME / "02_GT" / "SEG").iterdir()]:
            tifffile.imwrite(path, tifffile.imread(path)[:, :40])
        module(folder).setup()


# -- archives ---------------------------------------------------------------------------------------


@pytest.fixture
def packed(folder, tmp_path):
    """A folder with the archive alone, as the owners give it out, and in it what is not wanted."""
    root = tmp_path / "packed"
    root.mkdir()
    with zipfile.ZipFile(root / f"{NAME}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir(f"{NAME}/")
        for path in sorted((folder / NAME).rglob("*.tif")):
            archive.write(path, f"{NAME}/{path.relative_to(folder / NAME)}")
        archive.writestr(f"{NAME}/../../../01/t000.tif", "no")
        archive.writestr(f"__MACOSX/{NAME}/01/._t000.tif", "no")
        archive.writestr(f"{NAME}/readme.txt", "no")
    return root


def checksum_of(root):
    return hashlib.sha256((root / f"{NAME}.zip").read_bytes()).hexdigest()


def test_an_archive_is_unpacked_and_only_what_is_read(packed, folder):
    data = module(packed, checksum=checksum_of(packed))
    data.setup()
    original = module(folder)
    original.setup()
    assert ids_of(data) == ids_of(original)
    for here, there in zip(data.records, original.records, strict=True):
        assert np.array_equal(data.read(here)[0], original.read(there)[0])
        assert np.array_equal(data.instances(here), original.instances(there))
    inside = {str(path.relative_to(packed / NAME)) for path in (packed / NAME).rglob("*") if path.is_file()}
    assert len(inside) == 2 * (10 + 5)
    assert {path.partition("/")[0] for path in inside} == {"01", "02", "01_GT", "02_GT"}
    assert {path.name for path in packed.iterdir() if not path.name.startswith(".")} == {NAME, f"{NAME}.zip"}


def test_the_known_checksum_is_compared_and_another_may_be_given(packed):
    found = checksum_of(packed)
    with pytest.raises(DataError, match=f"its checksum is {found}, not data.checksum={ARCHIVES[NAME]}"):
        module(packed).find()
    assert not (packed / NAME).exists()
    module(packed, checksum=found).find()


def test_a_damaged_archive_leaves_nothing_behind(packed):
    path = packed / f"{NAME}.zip"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="damaged ZIP archive") as refusal:
        module(packed, checksum=checksum_of(packed)).find()
    assert "\n" not in str(refusal.value)
    assert {path.name for path in packed.iterdir() if not path.name.startswith(".")} == {f"{NAME}.zip"}


def test_an_archive_of_something_else_is_refused(packed):
    with zipfile.ZipFile(packed / f"{NAME}.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(DataError, match=f"contains no {NAME}; it is another archive"):
        module(packed, checksum=checksum_of(packed)).find()


@pytest.fixture
def server(packed, serve):
    with serve(packed) as address:
        yield address


def test_an_absent_archive_is_fetched_and_checked(packed, server, tmp_path):
    there = tmp_path / "new"
    module(there, url=f"{server}/", checksum=checksum_of(packed)).setup()
    assert (there / f"{NAME}.zip").read_bytes() == (packed / f"{NAME}.zip").read_bytes()
    other = tmp_path / "other"
    with pytest.raises(DataError, match=f"wrong checksum .sha256 {checksum_of(packed)}, not {ARCHIVES[NAME]}"):
        module(other, url=server).find()
    assert not list(other.glob("*.zip"))


def test_where_to_get_it_is_said(folder, tmp_path):
    with pytest.raises(DataError, match="nowhere: no such folder .*expected 01/tNNN.tif"):
        module(tmp_path / "nowhere", name=None).find()
    with pytest.raises(
        DataError, match="download http://data.celltrackingchallenge.net/training-datasets/BF-C2DL-HSC.zip"
    ):
        module(folder, name="BF-C2DL-HSC").find()
    with pytest.raises(DataError, match="ctc: no sequences found; expected 01/tNNN.tif"):
        module(folder, name=None).find()
    with pytest.raises(
        DataError, match=r"Fluo-N2DH-SIM\+.zip: missing, and cannot download http://127.0.0.1:9/Fluo-N2DH-SIM\+.zip"
    ):
        module(folder, name="Fluo-N2DH-SIM+", url="http://127.0.0.1:9").find()
