import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from tests.data.formats.writers import bmp, chunk, exif, gif, png, tiff
from tests.examples import examples

from segbench.data.formats.mask_file import read_mask_file
from segbench.errors import DataError

WHITE_IS_ZERO, BLACK_IS_ZERO, PALETTE = 0, 1, 3


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("masks") / "mask"


def written(format, labels, bits, palette, turn):
    """A file of these labels, as one of the ways in which programs store them."""
    if format == "grey png":
        return png(labels[..., None], bits, 0, chunk(b"eXIf", exif(turn)))
    if format == "palette png":
        return png(
            labels[..., None], bits, 3, chunk(b"PLTE", palette.astype(np.uint8).tobytes()) + chunk(b"eXIf", exif(turn))
        )
    if format == "gif":
        return gif(labels, palette)
    if format == "bmp":
        return bmp(labels, bits, palette)
    photometric = {"tiff": BLACK_IS_ZERO, "inverted tiff": WHITE_IS_ZERO, "palette tiff": PALETTE}[format]
    return tiff(
        labels[..., None], bits, photometric, orientation=turn, rows=3, order=">",
        palette=palette * 257 if photometric == PALETTE else None,
    )  # fmt: skip


BITS = {
    "grey png": (1, 2, 4, 8, 16), "palette png": (1, 2, 4, 8), "gif": (1, 2, 4, 8), "bmp": (1, 4, 8),
    "tiff": (1, 2, 4, 8, 16, 32), "inverted tiff": (1, 2, 4, 8, 16, 32), "palette tiff": (8,),
}  # fmt: skip
WAYS = [(format, bits) for format, depths in BITS.items() for bits in depths]


@examples(400)
@given(st.sampled_from(WAYS), st.integers(1, 9), st.integers(1, 9), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_labels_are_the_numbers_that_are_stored(path, way, height, width, turn, seed):
    format, bits = way
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2**bits, (height, width))
    palette = generator.integers(0, 256, (2 ** min(bits, 8), 3))
    path.write_bytes(written(format, labels, bits, palette, turn))
    # Pillow only moves the pixels here, so their sign is of no meaning.
    image = Image.fromarray(labels.astype(np.uint32).view(np.int32))
    if format not in ("gif", "bmp"):
        image.getexif()[0x0112] = turn
    expected = np.asarray(ImageOps.exif_transpose(image)).view(np.uint32)
    found = read_mask_file(path)
    assert found.values.dtype.kind == "u"
    np.testing.assert_array_equal(found.labels(), expected)


@examples(60)
@given(st.sampled_from(["i1", "i2", "i4", "i8", "u8", "f2", "f4", "f8"]), st.integers(0, 2**32 - 1))
def test_whole_numbers_of_every_type_are_labels(path, dtype, seed):
    low = 0 if dtype[0] == "u" else -100
    labels = np.random.default_rng(seed).integers(low, 100, (5, 6)).astype(dtype)
    tifffile.imwrite(path, labels)
    found = read_mask_file(path).labels()
    assert found.dtype.kind in "iu"
    np.testing.assert_array_equal(found, labels)


@pytest.mark.parametrize("bad", [0.5, np.nan, np.inf, 1e300])
def test_what_is_no_whole_number_is_no_label(path, bad):
    labels = np.zeros((5, 6))
    labels[2, 3] = bad
    tifffile.imwrite(path, labels)
    with pytest.raises(DataError, match="mask: labels are not integers"):
        read_mask_file(path)


def test_colours_are_given_where_they_are_asked_for(path):
    colours = np.random.default_rng(0).integers(0, 256, (4, 5, 3))
    path.write_bytes(png(colours, 8, 2))
    found = read_mask_file(path)
    np.testing.assert_array_equal(found.colours(), colours)
    with pytest.raises(DataError, match=r"mask: RGB mask; expected one label per object \(grey or palette\)"):
        found.labels("one label per object")
    palette = np.random.default_rng(0).integers(0, 256, (8, 3))
    index = np.arange(20).reshape(4, 5) % 8
    path.write_bytes(gif(index, palette))
    np.testing.assert_array_equal(read_mask_file(path).colours(), palette[index])
    path.write_bytes(png(index[..., None], 8, 0))
    with pytest.raises(DataError, match="mask: 8-bit grey mask; expected one colour per class"):
        read_mask_file(path).colours()


def test_opacity_of_a_palette_is_of_no_meaning(path):
    index = np.arange(20).reshape(4, 5) % 4
    extra = chunk(b"PLTE", bytes(range(12))) + chunk(b"tRNS", b"\0")
    path.write_bytes(png(index[..., None], 8, 3, extra))
    np.testing.assert_array_equal(read_mask_file(path).labels(), index)


def test_a_transparent_mask_is_refused_and_an_opaque_one_read(path):
    samples = np.full((4, 5, 2), 255)
    samples[..., 0] = np.arange(20).reshape(4, 5)
    path.write_bytes(png(samples, 8, 4))
    np.testing.assert_array_equal(read_mask_file(path).labels(), samples[..., 0])
    samples[0, 0, 1] = 0
    path.write_bytes(png(samples, 8, 4))
    with pytest.raises(DataError, match="mask: transparent mask"):
        read_mask_file(path)


def test_a_lossless_webp_of_grey_is_a_mask_and_a_lossy_one_is_refused(path):
    labels = (np.arange(600).reshape(20, 30) % 5).astype(np.uint8)
    image = Image.fromarray(np.dstack([labels] * 3))
    image.save(path, "WEBP", lossless=True)
    np.testing.assert_array_equal(read_mask_file(path).labels(), labels)
    image.save(path, "WEBP", quality=100)
    with pytest.raises(DataError, match=r"mask: lossy mask \(compression changes labels\); save masks as PNG"):
        read_mask_file(path)
    # Colours, of which no labels can be made.
    Image.fromarray(np.dstack([labels, labels, labels + 1])).save(path, "WEBP", lossless=True)
    with pytest.raises(DataError, match="mask: RGB mask; expected one class index per pixel"):
        read_mask_file(path).labels()


def test_cmyk_is_no_mask(path):
    path.write_bytes(tiff(np.zeros((2, 2, 4), int), 8, 5))
    with pytest.raises(DataError, match="mask: CMYK mask"):
        read_mask_file(path)
