import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from tests.data.formats.writers import bmp, chunk, exif, gif, png, tiff
from tests.examples import examples

from segbench.data.formats.image_file import read_image_file
from segbench.errors import DataError

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE = 0, 1, 2, 3


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("images") / "image"


@examples(300)
@given(
    st.sampled_from(["png", "tiff"]), st.sampled_from([(1, 1), (2, 1), (4, 1), (8, 1), (16, 1), (8, 3), (16, 3)]),
    st.integers(1, 9), st.integers(1, 9), st.integers(1, 8), st.booleans(), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_whole_numbers_are_seen_upright_with_white_as_the_largest(
    path, format, kind, height, width, turn, inverted, seed
):
    """Whatever file, depth and orientation: the same picture, against Pillow's turning and arithmetic by hand."""
    bits, channels = kind
    stored = np.random.default_rng(seed).integers(0, 2**bits, (height, width, channels))
    inverted = inverted and format == "tiff" and channels == 1
    if format == "png":
        path.write_bytes(png(stored, bits, 2 if channels == 3 else 0, chunk(b"eXIf", exif(turn))))
    else:
        photometric = RGB if channels == 3 else WHITE_IS_ZERO if inverted else BLACK_IS_ZERO
        path.write_bytes(tiff(stored, bits, photometric, orientation=turn, rows=2))
    found = read_image_file(path)
    values = 2**bits - 1 - stored if inverted else stored
    if bits < 8:
        # 255 can be divided by 1, 3 and 15.
        values = values * 255 // (2**bits - 1)
    expected = np.dstack([_turned(values[..., index].astype(np.int32), turn) for index in range(channels)])
    np.testing.assert_array_equal(found.pixels, expected)
    assert found.pixels.dtype == (np.uint16 if bits == 16 else np.uint8)
    assert (found.white, found.bits, found.orientation) == (65535 if bits == 16 else 255, bits, turn)


def _turned(pixels, orientation):
    image = Image.fromarray(pixels)
    image.getexif()[0x0112] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


@examples(80)
@given(
    st.sampled_from(["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]), st.sampled_from([(), (3,)]),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_every_type_of_number_keeps_its_values(path, dtype, colour, seed):
    generator, shape = np.random.default_rng(seed), (5, 6, *colour)
    if dtype[0] == "f":
        values = generator.normal(0, 50, shape).astype(dtype)
    else:
        limits = np.iinfo(dtype)
        values = generator.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    tifffile.imwrite(path, values, photometric="rgb" if colour else "minisblack")
    found = read_image_file(path)
    np.testing.assert_array_equal(found.pixels, values.reshape(5, 6, -1))
    assert found.pixels.dtype == values.dtype
    assert found.white == (np.iinfo(dtype).max if dtype[0] == "u" else None)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_with_their_number(path, bad):
    values = np.zeros((4, 5), np.float32)
    values[1, 2:4] = bad
    tifffile.imwrite(path, values)
    with pytest.raises(DataError, match=r"image: 2 values are not finite \(NaN or infinity\)"):
        read_image_file(path)


def test_a_palette_is_its_colours(path):
    index, palette = np.arange(20).reshape(4, 5), np.random.default_rng(0).integers(0, 256, (256, 3))
    for content in (
        gif(index, palette[:20]),
        bmp(index, 8, palette),
        png(index[..., None], 8, 3, chunk(b"PLTE", palette.astype(np.uint8).tobytes())),
        tiff(index[..., None], 8, PALETTE, palette=palette * 257),
    ):
        path.write_bytes(content)
        found = read_image_file(path)
        np.testing.assert_array_equal(found.pixels, palette[index])
        assert (found.pixels.dtype, found.white, found.kind) == (np.uint8, 255, "palette")


def test_a_palette_of_16_bits_keeps_them(path):
    palette = np.random.default_rng(0).integers(0, 65536, (256, 3))
    index = np.arange(20).reshape(4, 5, 1)
    path.write_bytes(tiff(index, 8, PALETTE, palette=palette))
    found = read_image_file(path)
    np.testing.assert_array_equal(found.pixels, palette[index[..., 0]])
    assert found.white == 65535


def test_an_index_without_a_colour_is_refused(path):
    path.write_bytes(png(np.full((2, 2, 1), 7), 8, 3, chunk(b"PLTE", bytes(range(12)))))
    with pytest.raises(DataError, match=r"image: damaged \(index 7 into a palette of 4\)"):
        read_image_file(path)


@pytest.mark.parametrize("colours", [4, 6])
@pytest.mark.parametrize("bits", [8, 16])
def test_opacity_is_dropped_where_all_is_opaque_and_else_refused(path, colours, bits):
    samples = np.random.default_rng(0).integers(0, 2**bits, (4, 5, 2 if colours == 4 else 4))
    samples[..., -1] = 2**bits - 1
    path.write_bytes(png(samples, bits, colours))
    np.testing.assert_array_equal(read_image_file(path).pixels, samples[..., :-1])
    samples[1:3, 2, -1] = 2**bits - 2
    path.write_bytes(png(samples, bits, colours))
    with pytest.raises(DataError, match="image: 2 transparent pixels.*save it without transparency"):
        read_image_file(path)


def test_cmyk_is_converted_as_pillow_does_and_only_with_8_bits(path):
    samples = np.random.default_rng(0).integers(0, 256, (6, 7, 4))
    path.write_bytes(tiff(samples, 8, 5))
    found = read_image_file(path)
    # Without a profile: each ink takes its share of the light, within the rounding of 8 bits.
    expected = (255 - samples[..., :3]) * (255 - samples[..., 3:]) / 255
    assert np.abs(found.pixels - expected).max() <= 1
    assert (found.white, found.kind) == (255, "CMYK")
    path.write_bytes(tiff(samples, 16, 5))
    with pytest.raises(DataError, match="image: 16-bit CMYK is not read; convert it to RGB"):
        read_image_file(path)


def test_white_is_zero_has_no_meaning_for_floats_and_signed_numbers(path):
    for kind in "if":
        path.write_bytes(tiff(np.zeros((2, 2, 1)), 32, WHITE_IS_ZERO, kind=kind))
        with pytest.raises(DataError, match="with WhiteIsZero is ambiguous"):
            read_image_file(path)


def test_12_bits_are_told(path):
    values = np.random.default_rng(0).integers(0, 4096, (4, 6, 1))
    path.write_bytes(tiff(values, 12, BLACK_IS_ZERO, order=">"))
    found = read_image_file(path)
    np.testing.assert_array_equal(found.pixels, values)
    assert (found.white, found.bits, found.description) == (4095, 12, "12-bit grey")


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".jpg"])
def test_opencv_sees_the_same(path, suffix):
    """A second reader, of what it reads unchanged."""
    pixels = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8), (0, 0), 3)
    content = cv2.imencode(suffix, pixels)[1]
    path.write_bytes(content.tobytes())
    expected = cv2.imdecode(content, cv2.IMREAD_COLOR)[..., ::-1].astype(int)
    assert np.abs(read_image_file(path).pixels - expected).max() <= (3 if suffix == ".jpg" else 0)
