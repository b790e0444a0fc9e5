import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from tests.data.formats.writers import png, tiff

from segbench.data.reading import map_labels, read_grey, read_image, read_instances, read_mask, resize
from segbench.errors import DataError

MASK = (np.arange(20 * 30).reshape(20, 30) % 4).astype(np.uint8)


def test_a_palette_mask_gives_its_indices_whatever_the_colours(tmp_path):
    image = Image.fromarray(MASK, mode="P")
    image.putpalette([70, 109, 3, 255, 0, 0, 255, 0, 0, 1, 2, 3])  # two classes of one colour
    image.save(tmp_path / "mask.gif")
    image.save(tmp_path / "mask.png")
    for name in ("mask.gif", "mask.png"):
        assert np.array_equal(read_mask(tmp_path / name, {i: i for i in range(4)}), MASK)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_masks_keep_their_values(tmp_path, dtype):
    Image.fromarray(MASK.astype(dtype)).save(tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png", {i: i for i in range(4)}), MASK)


def test_a_one_bit_mask(tmp_path):
    Image.fromarray(MASK > 1).save(tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png", {0: 0, 1: 1}), MASK > 1)


def test_the_label_map_decides_what_255_means(tmp_path):
    Image.fromarray((MASK > 1).astype(np.uint8) * 255).save(tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png", {0: 0, 255: 1}), MASK > 1)
    with pytest.raises(DataError, match="255"):
        read_mask(tmp_path / "mask.png", {0: 0, 1: 1})


@given(arrays.arrays(st.sampled_from([np.uint8, np.uint16, np.int32]), (5, 6), elements=st.integers(0, 5)))
def test_labels_are_mapped_as_a_dictionary_would(values):
    label_map = {0: 0, 1: 3, 2: 255, 3: 1, 4: 2, 5: 2}
    expected = [[label_map[int(value)] for value in row] for row in values]
    assert map_labels(values, label_map, "mask.png").tolist() == expected


@given(arrays.arrays(np.uint16, (4, 4), elements=st.integers(0, 65535)))
def test_a_value_that_is_no_label_is_never_accepted(values):
    if np.isin(values, [0, 1]).all():
        assert np.array_equal(map_labels(values, {0: 0, 1: 1}, "m"), values)
    else:
        with pytest.raises(DataError, match="outside the classes"):
            map_labels(values, {0: 0, 1: 1}, "m")


COLOURS = {(0, 0, 0): 0, (255, 0, 0): 1, (0, 0, 255): 255}


def test_a_mask_of_colours_is_mapped_by_them(tmp_path):
    palette = np.array([[0, 0, 0], [0, 0, 255], [255, 0, 0]], np.uint8)
    index = (np.arange(20 * 30).reshape(20, 30) % 3).astype(np.uint8)
    expected = np.array([0, 255, 1])[index]
    Image.fromarray(palette[index]).save(tmp_path / "rgb.png")
    image = Image.fromarray(index, mode="P")
    image.putpalette(palette.ravel().tolist())
    image.save(tmp_path / "palette.png")
    for name in ("rgb.png", "palette.png"):
        assert np.array_equal(read_mask(tmp_path / name, COLOURS), expected)


def test_colours_without_a_class_are_listed(tmp_path):
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[0, :7] = (9, 8, 7)
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    with pytest.raises(
        DataError, match=r"labels outside the classes: \(9, 8, 7\) \(7 pixels\); expected \(0, 0, 0\), "
    ):
        read_mask(tmp_path / "mask.png", COLOURS)
    Image.fromarray(MASK).save(tmp_path / "mask.png")
    with pytest.raises(DataError, match="8-bit grey mask; expected one colour per class"):
        read_mask(tmp_path / "mask.png", COLOURS)


@pytest.mark.parametrize("bits", [2, 4])
def test_grey_of_few_bits_counts_as_8(tmp_path, bits):
    values = MASK[:, :, None] % 2**bits
    (tmp_path / "image.png").write_bytes(png(values, bits, 0))
    step = 255 // (2**bits - 1)
    assert np.array_equal(read_grey(tmp_path / "image.png", (8, 16)), values[..., 0] * step)
    assert np.array_equal(read_image(tmp_path / "image.png", 1), values * step)
    with pytest.raises(DataError, match=f"{bits}-bit grey image; this data set reads 16-bit grey images"):
        read_grey(tmp_path / "image.png", (16,))


def test_a_frame_of_12_bits_counts_as_16(tmp_path):
    values = (np.arange(600).reshape(20, 30, 1) * 6).astype(np.uint16)
    (tmp_path / "image.tif").write_bytes(tiff(values, 12, 1, order=">"))
    assert np.array_equal(read_grey(tmp_path / "image.tif", (8, 16)), values[..., 0])
    with pytest.raises(DataError, match="12-bit grey image; this data set reads 8-bit images"):
        read_image(tmp_path / "image.tif", 1)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int16, np.float32])
def test_what_has_no_white_is_no_frame(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "image.tif", MASK.astype(dtype))
    with pytest.raises(DataError, match="grey image; this data set reads 8 and 16-bit grey images"):
        read_grey(tmp_path / "image.tif", (8, 16))


def test_objects_of_a_palette_are_its_indices(tmp_path):
    image = Image.fromarray(MASK, mode="P")
    image.putpalette([255, 255, 255, 0, 0, 0, 9, 9, 9, 1, 2, 3])
    image.save(tmp_path / "mask.png")
    assert np.array_equal(read_instances(tmp_path / "mask.png"), MASK)
    assert np.array_equal(read_instances(tmp_path / "mask.png", [3]), np.where(MASK == 3, 0, MASK))


def test_exif_orientation_is_applied(tmp_path):
    picture = np.zeros((20, 30, 3), np.uint8)
    picture[:, :15] = 200
    image = Image.fromarray(picture)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif, quality=100)
    read = read_image(tmp_path / "turned.jpg", 3)
    assert read.shape == (30, 20, 3)
    assert read[:10].mean() > 150 > 50 > read[20:].mean()


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK", "P", "LA"])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_8_bit_mode_is_read_with_the_channels_asked_for(tmp_path, mode, channels):
    suffix = "jpg" if mode == "CMYK" else "png"
    Image.new("RGB", (30, 20), (90, 90, 90)).convert(mode).save(tmp_path / f"image.{suffix}")
    read = read_image(tmp_path / f"image.{suffix}", channels)
    assert read.shape == (20, 30, channels)
    assert read.dtype == np.uint8
    assert abs(int(read.mean()) - 90) < 6


@pytest.mark.slow
def test_an_image_beyond_the_limit_is_refused_before_it_is_decoded(tmp_path):
    Image.new("1", (20_000, 6_000)).save(tmp_path / "bomb.png")
    with pytest.raises(DataError, match="at most 100,000,000|larger than"):
        read_image(tmp_path / "bomb.png", 1)


@pytest.mark.slow
def test_an_image_just_below_the_limit_is_read(tmp_path):
    """Pillow's own limit is lower than ours and would warn here."""
    Image.new("1", (10_000, 9_500)).save(tmp_path / "large.png")
    assert read_image(tmp_path / "large.png", 1).shape == (9_500, 10_000, 1)


def test_a_mask_compressed_as_jpeg_inside_another_format_is_lossy(tmp_path):
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(tmp_path / "mask.tif", compression="jpeg")
    with pytest.raises(DataError, match="lossy"):
        read_mask(tmp_path / "mask.tif", {0: 0})


def test_resizing_keeps_16_bits():
    image = np.full((40, 60, 1), 1000, np.uint16)
    resized, _ = resize(image, np.zeros((40, 60), np.uint8), (20, 30))
    assert resized.dtype == np.uint16
    assert (resized == 1000).all()


def test_resizing_averages_images_and_never_mixes_labels():
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, ::2] = 200
    mask = np.tile(np.array([0, 3], np.uint8), (40, 20))
    small, labels = resize(image, mask, (10, 20))
    assert small.shape == (10, 20, 3)
    assert (small == 100).all()
    assert set(np.unique(labels)) <= {0, 3}
    same, unchanged = resize(image, mask, None)
    assert same is image
    assert unchanged is mask
    large, _ = resize(image, mask, (80, 80))
    assert np.array_equal(large, cv2.resize(image, (80, 80), interpolation=cv2.INTER_LINEAR))
