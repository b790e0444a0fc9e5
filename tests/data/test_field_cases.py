"""Files that people met in the field, one test each, with the value that is right."""

import logging
import os
import struct
import unicodedata
import zlib

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from segbench.data.acdc import ACDCData
from segbench.data.carvana import CarvanaData
from segbench.data.ctc import CTCData
from segbench.data.formats.image_file import read_image_file
from segbench.data.formats.mask_file import read_mask_file
from segbench.data.glas import GlasData
from segbench.data.pictures import open_picture
from segbench.data.reading import read_image, read_instances, read_mask
from segbench.errors import DataError

SIZE = (48, 64)


def scene(seed):
    """Dark noise with a bright box, and where the box is."""
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 60, (*SIZE, 3)).astype(np.uint8)
    mask = np.zeros(SIZE, np.uint8)
    top, left = generator.integers(4, 20, 2)
    mask[top : top + 16, left : left + 24] = 1
    image[mask == 1] = (220, 120, 40)
    return image, mask


def cars(folder, save, count=4, suffix=".gif", quality=95, **options):
    """Carvana's layout, one view a car; ``save`` writes a mask (H,W) of 0 and 1."""
    (folder / "train").mkdir(parents=True)
    (folder / "train_masks").mkdir()
    for number in range(count):
        image, mask = scene(number)
        Image.fromarray(image).save(folder / f"train/car{number}_01.jpg", quality=quality, **options)
        save(mask, folder / f"train_masks/car{number}_01_mask{suffix}")
    return folder


def carvana(folder, **options):
    return CarvanaData(root=str(folder), cache_dir=folder / "cache", **{"size": list(SIZE), **options})


def grey_mask(mask, path):
    Image.fromarray(mask * 255).save(path)


# -- case 01: a palette whose first entry is white -------------------------------------------------


def rgb_mask(mask, path):
    """As Pillow saves black and white colours as a GIF: entry 0 is white."""
    Image.fromarray(np.dstack([mask * 255] * 3)).save(path)


def paletted(colours, index_of_car):
    def save(mask, path):
        image = Image.fromarray(np.where(mask == 1, index_of_car, 1 - index_of_car).astype(np.uint8), mode="P")
        image.putpalette(colours)
        image.save(path)

    return save


WHITE_FIRST = [255, 255, 255, 0, 0, 0]
SWAPPED = {
    "GIF made from colours": (rgb_mask, ".gif"),
    "GIF, white first": (paletted(WHITE_FIRST, 0), ".gif"),
    "PNG, white first": (paletted(WHITE_FIRST, 0), ".png"),
    "GIF, black first": (paletted(WHITE_FIRST[::-1], 1), ".gif"),
    "PNG, black first": (paletted(WHITE_FIRST[::-1], 1), ".png"),
    "BMP, white first": (paletted(WHITE_FIRST, 0), ".bmp"),
}


@pytest.mark.parametrize("case", SWAPPED)
def test_the_car_is_white_whatever_its_index(tmp_path, case):
    save, suffix = SWAPPED[case]
    data = carvana(cars(tmp_path, save, suffix=suffix))
    data.setup()
    for record in data.records:
        _, expected = scene(int(record.id[3]))
        np.testing.assert_array_equal(data.read(record)[1], expected)
    assert data.class_frequencies[1] == 16 * 24 / (48 * 64)


def test_colours_say_nothing_where_the_masks_are_not_black_and_white(tmp_path):
    """Labels from a palette whose background is white: of such a data set the index counts."""
    _, mask = scene(0)
    paletted(WHITE_FIRST, 1)(mask, tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png", {0: 0, 1: 1, 2: 2}), mask)
    np.testing.assert_array_equal(read_instances(tmp_path / "mask.png"), mask)


def test_a_palette_of_more_colours_that_swaps_black_and_white_is_refused(tmp_path):
    _, mask = scene(0)
    paletted([*WHITE_FIRST, 200, 0, 0], 0)(mask, tmp_path / "mask.png")
    with pytest.raises(DataError, match="its palette shows label 0 as white, 1 as black; save it as a grey PNG"):
        read_mask(tmp_path / "mask.png", CarvanaData.label_map)


# -- case 02: planar and 16-bit TIFF ---------------------------------------------------------------


def test_planar_colours_of_16_bits_are_those_of_8(tmp_path):
    image, _ = scene(7)
    deep = image.astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "planar.tif", np.moveaxis(deep, 2, 0), planarconfig="separate", photometric="rgb")
    tifffile.imwrite(tmp_path / "interleaved.tif", deep, photometric="rgb")
    tifffile.imwrite(tmp_path / "planar8.tif", np.moveaxis(image, 2, 0), planarconfig="separate", photometric="rgb")
    for name in ("planar.tif", "interleaved.tif"):
        found = read_image_file(tmp_path / name)
        np.testing.assert_array_equal(found.pixels, deep)
        assert found.white == 65535
        # A data set of 8 bits loses half of these, and says so.
        with pytest.raises(DataError, match=f"{name}: 16-bit RGB image; this data set reads 8-bit images"):
            read_image(tmp_path / name, 3)
    np.testing.assert_array_equal(read_image(tmp_path / "planar8.tif", 3), image)


# -- case 03: NIfTI in metres and microns ----------------------------------------------------------


def patient(root, name, unit, scale, shape=(40, 36, 4), group="NOR"):
    folder = root / "training" / f"patient{name}"
    folder.mkdir(parents=True)
    (folder / "Info.cfg").write_text(f"ED: 1\nES: 2\nGroup: {group}\n")
    affine = np.diag([-1.5 * scale, -1.5 * scale, 8 * scale, 1])
    for frame in (1, 2):
        generator = np.random.default_rng([frame, len(name), ord(name[0])])
        label = np.zeros(shape, np.uint8)
        label[10:24, 9:21], label[13:21, 12:18] = 1, 2
        image = generator.integers(0, 60, shape).astype(np.int16) + 100 * (label > 0).astype(np.int16)
        for voxels, suffix in ((image, ""), (label, "_gt")):
            volume = nibabel.Nifti1Image(voxels, affine)
            volume.header.set_xyzt_units(unit)
            nibabel.save(volume, folder / f"patient{name}_frame0{frame}{suffix}.nii.gz")


def test_volumes_of_every_unit_become_the_same_pixels(tmp_path):
    for name, unit, scale in (("mm", "mm", 1), ("metre", "meter", 1e-3), ("micron", "micron", 1e3), ("none", 0, 1)):
        patient(tmp_path, name, unit, scale)
    data = ACDCData(root=str(tmp_path), cache_dir=tmp_path / "cache", size=[48, 48], spacing=1.5)
    data.find()
    for volume, _ in data.volumes.values():
        assert volume.spacing == (1.5, 1.5, 8.0)
    for name in data.volumes:
        assert data.plane(name).resampled == (36, 40)


# -- case 05: WhiteIsZero --------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.uint32])
def test_labels_of_white_is_zero_are_the_numbers_in_the_file(tmp_path, dtype):
    _, mask = scene(0)
    tifffile.imwrite(tmp_path / "mask.tif", mask.astype(dtype), photometric="miniswhite")
    np.testing.assert_array_equal(read_instances(tmp_path / "mask.tif"), mask)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_image_of_white_is_zero_is_as_bright_as_it_is_shown(tmp_path, dtype):
    values = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, SIZE, dtype)
    tifffile.imwrite(tmp_path / "image.tif", values, photometric="miniswhite")
    np.testing.assert_array_equal(read_image_file(tmp_path / "image.tif").pixels[..., 0], np.iinfo(dtype).max - values)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_cells_of_inverted_label_files_are_cells(tmp_path, dtype):
    for sequence in ("01", "02"):
        frames, labels = tmp_path / sequence, tmp_path / f"{sequence}_GT" / "SEG"
        frames.mkdir()
        labels.mkdir(parents=True)
        for number in range(4):
            image, mask = scene(int(sequence) * 10 + number)
            tifffile.imwrite(frames / f"t{number:03d}.tif", image[..., 0])
            tifffile.imwrite(labels / f"man_seg{number:03d}.tif", mask.astype(dtype), photometric="miniswhite")
    data = CTCData(root=str(tmp_path), cache_dir=tmp_path / "cache", boundary=0)
    data.setup()
    assert data.class_frequencies[1] == 16 * 24 / (48 * 64)
    assert np.unique(data.instances(data.records[0])).tolist() == [0, 1]


# -- case 08: EXIF orientation of photograph and mask ----------------------------------------------


def exif(orientation):
    block = Image.Exif()
    block[0x0112] = orientation
    return block


def box_of(data, record):
    """Where the bright box is, of image and of mask."""
    image, mask = data.read(record)
    return image[..., 0] > 140, mask == 1


@pytest.mark.slow
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photograph_and_mask_of_one_orientation_are_aligned(tmp_path, orientation):
    def save(mask, path):
        Image.fromarray(mask * 255).save(path, exif=exif(orientation))

    data = carvana(cars(tmp_path, save, suffix=".png", exif=exif(orientation)), size=None, batch_size=1)
    data.setup()
    for record in data.records:
        bright, car = box_of(data, record)
        assert bright.shape == (SIZE if orientation < 5 else SIZE[::-1])
        assert (bright == car).mean() > 0.99
        assert car.sum() == 16 * 24


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_mask_on_the_stored_grid_of_a_turned_photograph_is_refused(tmp_path, orientation):
    data = carvana(cars(tmp_path, grey_mask, exif=exif(orientation)))
    with pytest.raises(DataError) as refusal:
        data.setup()
    line = str(refusal.value).splitlines()[1]
    if orientation < 5:
        assert f"EXIF orientation 1, but its image car0_01.jpg has {orientation}, so the mask's grid is amb" in line
    else:
        assert "mask is 64x48, its image 48x64 (width and height swapped: rotated by EXIF?)" in line


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_mask_drawn_on_the_photograph_as_seen_is_read_where_only_that_fits(tmp_path, orientation):
    def save(mask, path):
        image = Image.fromarray(mask * 255)
        turned = {5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90}  # fmt: skip
        image.transpose(turned[orientation]).save(path)

    data = carvana(cars(tmp_path, save, exif=exif(orientation)), size=None, batch_size=1)
    data.setup()
    for record in data.records:
        bright, car = box_of(data, record)
        assert (bright == car).mean() > 0.99


@pytest.mark.parametrize("orientation", [3, 6])
def test_of_a_square_photograph_nothing_tells(tmp_path, orientation):
    for folder in ("train", "train_masks"):
        (tmp_path / folder).mkdir()
    for number in range(3):
        Image.new("RGB", (32, 32), (number, 0, 0)).save(tmp_path / f"train/car{number}_01.jpg", exif=exif(orientation))
        Image.new("L", (32, 32), 255).save(tmp_path / f"train_masks/car{number}_01_mask.gif")
    with pytest.raises(DataError, match="so the mask's grid is ambiguous; save both upright"):
        carvana(tmp_path).setup()


# -- case 10: MPO ----------------------------------------------------------------------------------


def test_a_photograph_with_a_preview_behind_it_is_that_photograph(tmp_path):
    picture = Image.fromarray(scene(7)[0])
    picture.save(tmp_path / "plain.jpg", quality=95)
    small = picture.resize((16, 12))
    picture.save(tmp_path / "photo.jpg", format="MPO", save_all=True, append_images=[small], quality=95)
    np.testing.assert_array_equal(read_image(tmp_path / "photo.jpg", 3), read_image(tmp_path / "plain.jpg", 3))


# -- case 12: names in Unicode's two forms ---------------------------------------------------------


def test_a_photograph_and_its_mask_in_two_unicode_forms_are_a_pair(tmp_path):
    folder = cars(tmp_path, grey_mask)
    composed, decomposed = (unicodedata.normalize(form, "café_01") for form in ("NFC", "NFD"))
    (folder / "train/car0_01.jpg").rename(folder / f"train/{composed}.jpg")
    (folder / "train_masks/car0_01_mask.gif").rename(folder / f"train_masks/{decomposed}_mask.gif")
    data = carvana(folder)
    data.setup()
    record = next(record for record in data.records if record.id == composed)
    np.testing.assert_array_equal(data.read(record)[1], scene(0)[1])
    assert record.group == unicodedata.normalize("NFC", "café")


def test_twins_in_two_unicode_forms_are_told_apart_in_the_message(tmp_path):
    folder = cars(tmp_path, grey_mask)
    for form in ("NFC", "NFD"):
        name = unicodedata.normalize(form, "café_01")
        Image.fromarray(scene(9)[0]).save(folder / f"train/{name}.jpg")
    grey_mask(scene(9)[1], folder / f"train_masks/{name}_mask.gif")
    with pytest.raises(DataError) as refusal:
        carvana(folder).setup()
    assert r"'cafe\u0301_01.jpg' and 'caf\xe9_01.jpg' are both café_01; keep one" in str(refusal.value)


@pytest.mark.parametrize("make", ["carvana", "acdc"])
def test_a_name_of_another_encoding_is_refused_in_one_line(tmp_path, make):
    name = os.fsdecode(b"patient\xe9")
    if make == "carvana":
        folder = cars(tmp_path, grey_mask)
        (folder / "train/car0_01.jpg").rename(folder / f"train/{name}.jpg")
        data = carvana(folder)
    else:
        patient(tmp_path, "one", "mm", 1)
        (tmp_path / "training" / "patientone").rename(tmp_path / "training" / name)
        data = ACDCData(root=str(tmp_path), cache_dir=tmp_path / "cache", size=[48, 48])
    with pytest.raises(DataError, match=r"'patient\\udce9(.jpg)?' is not a UTF-8 name; rename it"):
        data.setup()


@pytest.mark.parametrize("suffixes", [(".JPG", ".PNG"), (".Jpeg", ".Tiff"), (".jpg", ".TIF")])
def test_suffixes_of_any_case_are_found(tmp_path, suffixes):
    folder = cars(tmp_path, grey_mask, suffix=suffixes[1])
    for path in (folder / "train").iterdir():
        path.rename(path.with_suffix(suffixes[0]))
    data = carvana(folder)
    data.setup()
    assert [record.id for record in data.records] == [f"car{number}_01" for number in range(4)]


# -- case 15: what systems leave behind ------------------------------------------------------------


def test_what_a_mac_or_windows_leaves_among_the_glands_is_left_alone(tmp_path):
    rows = ["name, patient ID"]
    for number, name in enumerate(("train_1", "train_2", "train_3", "testA_1"), start=1):
        image, mask = scene(number)
        Image.fromarray(image).save(tmp_path / f"{name}.bmp")
        Image.fromarray(mask).save(tmp_path / f"{name}_anno.bmp")
        rows.append(f"{name}, {number}")
    (tmp_path / "Grade.csv").write_text("\r".join(rows) + "\r")
    for name in ("._train_1.bmp", "._Grade.csv", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "Grade.csv").write_text("name, patient ID\r")
    data = GlasData(root=str(tmp_path), cache_dir=tmp_path / "cache", size=list(SIZE))
    data.setup()
    assert len(data.records) == 4


# -- case 17: labels of 2 bits ---------------------------------------------------------------------


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_labels_of_few_bits_are_not_widened(tmp_path, bits):
    mask = np.arange(48 * 64).reshape(SIZE).astype(np.uint8) // 7 % min(2**bits, 4)
    unpacked = (mask[:, :, None] >> np.arange(bits - 1, -1, -1)) & 1
    rows = b"".join(b"\0" + np.packbits(row.ravel().astype(np.uint8)).tobytes() for row in unpacked)

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 64, 48, bits, 0, 0, 0, 0)
    (tmp_path / "mask.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png", {0: 0, 1: 1, 2: 2, 3: 3}), mask)


# -- case 20: TIFF of numbers that Pillow has no mode for ------------------------------------------


def test_whole_tiffs_are_images(tmp_path):
    image, mask = scene(7)
    share = (image / 255).astype(np.float32)
    tifffile.imwrite(tmp_path / "float_rgb.tif", share, photometric="rgb")
    np.testing.assert_array_equal(read_image_file(tmp_path / "float_rgb.tif").pixels, share)
    with pytest.raises(DataError, match="32-bit float RGB image; this data set reads 8-bit images"):
        read_image(tmp_path / "float_rgb.tif", 3)
    for dtype in (np.float64, np.int64):
        tifffile.imwrite(tmp_path / "mask.tif", mask.astype(dtype))
        np.testing.assert_array_equal(read_mask(tmp_path / "mask.tif", {0: 0, 1: 1}), mask)
        np.testing.assert_array_equal(read_mask_file(tmp_path / "mask.tif").labels(), mask)


# -- case 21: WebP ---------------------------------------------------------------------------------


def test_a_lossless_webp_is_predicted_from_the_pixels_of_its_png(tmp_path):
    image, _ = scene(7)
    Image.fromarray(image).save(tmp_path / "a.webp", lossless=True)
    data = CarvanaData(cache_dir=tmp_path, size=list(SIZE))
    np.testing.assert_array_equal(open_picture(tmp_path / "a.webp", data.input_format()).pixels[0], image)


# -- further: labels to ignore, copies, classes that are absent -------------------------------------


@pytest.mark.parametrize("ignore", [7, [7, 9]])
def test_a_value_that_the_user_names_counts_nowhere(tmp_path, ignore):
    def save(mask, path):
        mask = mask.copy()
        mask[:4], mask[4:6] = 7, 9 if isinstance(ignore, list) else 0
        Image.fromarray(mask).save(path)

    folder = cars(tmp_path, save, suffix=".png")
    with pytest.raises(DataError, match=r"labels outside the classes: 7 \(256 pixels\)"):
        carvana(folder).setup()
    data = carvana(folder, ignore=ignore)
    data.setup()
    mask = data.read(data.records[0])[1]
    assert (mask == 255).sum() == (6 if isinstance(ignore, list) else 4) * 64
    assert data.class_pixels.sum() == sum((data.read(data.records[i])[1] != 255).sum() for i in data.splits["train"])


def test_copies_in_two_parts_of_the_split_are_said_before_training(tmp_path, caplog):
    folder = cars(tmp_path, grey_mask, count=6)
    content = (folder / "train/car0_01.jpg").read_bytes()
    for number in range(6):
        (folder / f"train/car{number}_01.jpg").write_bytes(content)
    carvana(folder).setup()
    line = next(message for message in caplog.messages if "parts of the split" in message)
    assert "2 images are in two parts of the split: " in line
    assert "data.on_duplicates=error refuses them" in line
    with pytest.raises(DataError, match="2 images are in two parts of the split: .* remove the copies"):
        carvana(folder, on_duplicates="error").setup()


def test_the_same_pixels_in_another_file_are_a_copy(tmp_path, caplog):
    folder = cars(tmp_path, grey_mask)
    for number in range(4):
        Image.fromarray(scene(0 if number else 1)[0]).save(folder / f"train/car{number}_01.jpg", quality=95, comment=f"{number}")  # fmt: skip
    carvana(folder).setup()
    assert any("in two parts of the split: car" in message for message in caplog.messages)


def test_different_images_are_no_copies(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        carvana(cars(tmp_path, grey_mask), on_duplicates="error").setup()
    assert not caplog.messages


def test_a_class_without_a_training_pixel_is_said(tmp_path, caplog):
    patient(tmp_path, "one", "mm", 1)
    patient(tmp_path, "two", "mm", 1, shape=(40, 36, 3))
    data = ACDCData(root=str(tmp_path), cache_dir=tmp_path / "cache", size=[48, 48])
    data.setup()
    assert f"data.root={tmp_path}: no training pixel of left ventricle" in caplog.messages
