"""TIFF: layouts of TIFF 6.0 written from it, and compressed ones by libtiff."""

import struct

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.data.formats.writers import tiff
from tests.examples import examples

from segbench.data.formats.reader import read_orientation, read_stored
from segbench.errors import DataError

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8
COUNT = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4}
KIND = {WHITE_IS_ZERO: "grey", BLACK_IS_ZERO: "grey", RGB: "RGB", PALETTE: "palette", CMYK: "CMYK"}
NUMBERS = [("u", bits) for bits in (8, 16, 32, 64)] + [("i", bits) for bits in (8, 16, 32, 64)]
NUMBERS += [("f", bits) for bits in (16, 32, 64)]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("tiff") / "image.tif"


def drawn(generator, kind, bits, shape):
    """Any values of a type, whole or not."""
    if kind == "f":
        return generator.normal(0, 100, shape).astype(f"f{bits // 8}")
    limits = np.iinfo(f"{kind}{bits // 8}") if bits >= 8 else None
    low, high = (int(limits.min), int(limits.max)) if limits else (0, 2**bits - 1)
    return generator.integers(low, high, shape, dtype=f"{kind}{max(bits // 8, 1)}", endpoint=True)


@examples(400)
@given(
    st.sampled_from(sorted(COUNT)), st.sampled_from(NUMBERS), st.integers(1, 40), st.integers(1, 40),
    st.sampled_from("<>"), st.sampled_from(["strip", "strips", "tiles"]), st.booleans(), st.sampled_from([1, 8, 32773]),
    st.integers(0, 9), st.sampled_from([(), (0,), (1,), (2,)]), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_every_layout_gives_its_samples(
    path, photometric, number, height, width, order, layout, planar, compression, turn, extra, seed
):
    kind, bits = number
    if photometric == PALETTE:
        kind, bits, extra = "u", 8, ()
    generator = np.random.default_rng(seed)
    samples = drawn(generator, kind, bits, (height, width, COUNT[photometric] + len(extra)))
    palette = generator.integers(0, 65536, (256, 3)) if photometric == PALETTE else None
    content = tiff(
        samples, bits, photometric, order=order, kind=kind, planar=planar and samples.shape[2] > 1,
        rows=7 if layout == "strips" else None, tile=(16, 32) if layout == "tiles" else None, extra=extra,
        palette=palette, compression=compression, orientation=turn,
    )  # fmt: skip
    path.write_bytes(content)
    found = read_stored(path)
    colours = samples[..., :-1] if extra else samples
    np.testing.assert_array_equal(found.samples, colours)
    assert found.samples.dtype == samples.dtype
    assert (found.kind, found.bits, found.inverted) == (KIND[photometric], bits, photometric == WHITE_IS_ZERO)
    assert found.orientation == read_orientation(path) == (turn if 1 <= turn <= 8 else 1)
    assert (found.lossy, found.greyless) == (False, False)
    if extra:
        opaque = 1 if kind == "f" else 2**bits - 1
        np.testing.assert_array_equal(found.see_through, samples[..., -1] != opaque)
    if palette is not None:
        np.testing.assert_array_equal(found.palette, palette)


@examples(150)
@given(
    st.integers(1, 16), st.integers(1, 30), st.integers(1, 30), st.booleans(), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_every_number_of_bits_is_unpacked(path, bits, height, width, inverted, seed):
    samples = np.random.default_rng(seed).integers(0, 2**bits, (height, width, 1))
    # Packed from the highest bit on, whatever the order of bytes; whole ones of 16 bits have it.
    path.write_bytes(tiff(samples, bits, int(not inverted), order=">"))
    found = read_stored(path)
    np.testing.assert_array_equal(found.samples, samples)
    assert (found.bits, found.inverted) == (bits, inverted)
    assert found.samples.dtype == (np.uint8 if bits <= 8 else np.uint16)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd", "tiff_deflate"])
@pytest.mark.parametrize("shape", [(33, 47), (33, 47, 3)])
def test_what_libtiff_compresses_without_loss_is_read(path, compression, shape):
    samples = (np.arange(np.prod(shape)).reshape(shape) // 7 % 256).astype(np.uint8)
    for deep in (False, True):
        if deep and samples.ndim == 3:
            continue
        values = samples.astype(np.uint16) * 201 if deep else samples
        for predictor in (1, 2)[: 1 if compression == "packbits" else 2]:
            Image.fromarray(values).save(path, compression=compression, tiffinfo={317: predictor})
            found = read_stored(path)
            np.testing.assert_array_equal(found.samples.reshape(shape), values)
            assert not found.lossy


@examples(150)
@given(
    st.sampled_from([None, "lzw", "zlib", "packbits", "lzma", "zstd"]), st.sampled_from(NUMBERS),
    st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]), st.booleans(), st.booleans(), st.booleans(),
    st.sampled_from("<>"), st.sampled_from([{}, {"rowsperstrip": 7}, {"tile": (16, 32)}]), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_what_tifffile_compresses_is_read(
    path, compression, number, height, width, colours, differences, planar, big, order, layout, seed
):
    """Every lossless compression with every type of number, with and without a predictor, in both kinds of file."""
    kind, bits = number
    # tifffile writes no predictor with whole numbers of 64 bits.
    predictors = differences and compression in ("lzw", "zlib", "lzma", "zstd") and (kind == "f" or bits < 64)
    samples = drawn(np.random.default_rng(seed), kind, bits, (height, width, colours))
    stored = samples[..., 0] if colours == 1 else np.moveaxis(samples, 2, 0) if planar else samples
    tifffile.imwrite(
        path, stored, photometric="rgb" if colours == 3 else "minisblack", compression=compression,
        predictor=predictors, planarconfig=("separate" if planar else "contig") if colours == 3 else None,
        bigtiff=big, byteorder=order, **layout,
    )  # fmt: skip
    found = read_stored(path)
    np.testing.assert_array_equal(found.samples, samples)
    assert found.samples.dtype.newbyteorder("=") == samples.dtype
    assert not found.lossy


def test_a_predictor_where_there_is_none_is_refused(path):
    """libtiff writes the tag with PackBits and does not apply it; tifffile would undo it."""
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(path, compression="packbits", tiffinfo={317: 2})
    with pytest.raises(DataError, match="a predictor with PACKBITS compression is ambiguous"):
        read_stored(path)


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
def test_fax_compression_of_one_bit_is_read(path, compression):
    bits = np.random.default_rng(0).random((33, 47)) > 0.6
    Image.fromarray(bits).save(path, compression=compression)
    found = read_stored(path)
    # libtiff's fax encoder is fed white as 0 or 1 according to the photometric interpretation that it writes.
    shown = found.samples[..., 0] == (0 if found.inverted else 1)
    np.testing.assert_array_equal(shown, bits)


def test_jpeg_inside_a_tiff_is_lossy_and_read_as_colours(path):
    Image.new("RGB", (64, 48), (200, 90, 30)).save(path, compression="jpeg", quality=95)
    found = read_stored(path)
    assert (found.kind, found.lossy) == ("RGB", True)
    assert np.abs(found.samples.reshape(-1, 3).astype(int) - (200, 90, 30)).max() <= 3


@pytest.mark.parametrize("step", [257, 256])
def test_a_palette_of_8_bits_is_recognised_in_16(path, step):
    colours = np.random.default_rng(0).integers(0, 256, (256, 3))
    colours[0] = 255
    path.write_bytes(tiff(np.zeros((2, 2, 1), int), 8, PALETTE, palette=colours * step))
    found = read_stored(path)
    assert found.palette.dtype == np.uint8
    np.testing.assert_array_equal(found.palette, colours)


def test_bigtiff_and_both_orders_of_bytes_are_read(path):
    values = np.random.default_rng(0).integers(0, 65536, (9, 7), np.uint16)
    for big in (False, True):
        for order in "<>":
            tifffile.imwrite(path, values, bigtiff=big, byteorder=order)
            np.testing.assert_array_equal(read_stored(path).samples[..., 0], values)


def test_a_reduced_copy_beside_the_image_is_left_alone(path):
    samples = np.arange(20).reshape(4, 5, 1)
    path.write_bytes(tiff(samples, 8, BLACK_IS_ZERO, pages=3, reduced=True))
    np.testing.assert_array_equal(read_stored(path).samples, samples)


def test_the_orientation_is_that_of_the_image_and_not_of_its_thumbnail(path):
    with tifffile.TiffWriter(path) as writer:
        writer.write(np.zeros((2, 3), np.uint8), subfiletype=1)
        writer.write(np.zeros((4, 6), np.uint8), extratags=[(274, "H", 1, 6)])
    assert read_stored(path).orientation == read_orientation(path) == 6


REFUSED = {
    "pages": (tiff(np.zeros((4, 5, 1), int), 8, 1, pages=3), "3 pages (5x4, 5x4, 5x4); expected a single image"),
    "many pages": (tiff(np.zeros((1, 1, 1), int), 8, 1, pages=100), "100 pages (1x1, 1x1, 1x1, ...); expected a single"),
    "Lab": (tiff(np.zeros((4, 5, 3), int), 8, LAB), "CIELAB colours are not read; convert it to grey or RGB"),
    "YCbCr": (tiff(np.zeros((4, 5, 3), int), 8, YCBCR), "YCBCR colours are not read"),
    "grey of three channels": (tiff(np.zeros((4, 5, 3), int), 8, 1, extra=(0, 0)), "3 channels; expected grey or RGB"),
    "five channels": (tiff(np.zeros((4, 5, 5), int), 8, RGB, extra=(0, 0)), "5 channels; expected grey or RGB"),
    "an unknown compression": (tiff(np.zeros((4, 5, 1), int), 8, 1, compression=32766), "NEXT compression is not read"),
    "24 bits": (tiff(np.zeros((4, 5, 1), int), 24, 1), "samples of 24 bits (format 1) are not read"),
    "no palette": (tiff(np.zeros((4, 5, 1), int), 8, PALETTE), "a palette image without a palette"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_read_is_refused_with_the_reason(path, case):
    content, expected = REFUSED[case]
    path.write_bytes(content)
    with pytest.raises(DataError) as refusal:
        read_stored(path)
    assert f"{path}: {expected}" in str(refusal.value).replace("damaged (", "")
    assert "\n" not in str(refusal.value)


def test_complex_samples_are_refused(path):
    tifffile.imwrite(path, np.zeros((4, 5), np.complex64))
    with pytest.raises(DataError, match=r"samples of 64 bits \(format 6\) are not read|not read"):
        read_stored(path)


def test_a_stack_without_pages_is_refused(path):
    tifffile.imwrite(path, np.zeros((5, 8, 9), np.uint8), imagej=True)
    with pytest.raises(DataError, match="(5 pages|a stack of 5 images).*expected a single image"):
        read_stored(path)
    tifffile.imwrite(path, np.zeros((5, 8, 9), np.uint8), volumetric=True, photometric="minisblack")
    with pytest.raises(DataError, match="a stack of 5 images; expected a single image"):
        read_stored(path)
    with tifffile.TiffWriter(path) as writer:
        writer.write(
            np.zeros((5, 8, 9), np.uint8), photometric="minisblack", metadata={"axes": "ZYX"}, contiguous=False
        )
        writer.write(np.zeros((8, 9), np.uint8), photometric="minisblack")
    with pytest.raises(DataError, match="6 pages"):
        read_stored(path)


def test_an_image_of_imagej_is_read(path):
    values = np.random.default_rng(0).integers(0, 65536, (9, 7), np.uint16)
    tifffile.imwrite(path, values, imagej=True)
    np.testing.assert_array_equal(read_stored(path).samples[..., 0], values)


def test_another_file_that_metadata_names_is_not_read(tmp_path):
    tifffile.imwrite(tmp_path / "one.ome.tif", np.zeros((2, 8, 9), np.uint8), ome=True, metadata={"axes": "ZYX"})
    content = (tmp_path / "one.ome.tif").read_bytes()
    tifffile.imwrite(tmp_path / "image.tif", np.ones((8, 9), np.uint8), description=tifffile.TiffFile(tmp_path / "one.ome.tif").ome_metadata, metadata=None)  # fmt: skip
    np.testing.assert_array_equal(read_stored(tmp_path / "image.tif").samples[..., 0], 1)
    assert content == (tmp_path / "one.ome.tif").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("compression", [1, 8, 32773])
@pytest.mark.parametrize("rows", [None, 3])
def test_a_file_cut_anywhere_is_refused(path, compression, rows):
    # The directory lies behind the pixels, so this cuts it; below, pixels lie behind it.
    content = tiff(np.random.default_rng(0).integers(0, 256, (12, 9, 3)), 8, RGB, rows=rows, compression=compression)
    for length in range(1, len(content) - 8, 5):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match="image.tif: (damaged|not an image)"):
            read_stored(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib"}, {"compression": "lzw"}, {"rowsperstrip": 3}, {"tile": (16, 16)}]
)
def test_pixels_cut_off_are_never_filled_in(path, options):
    values = np.random.default_rng(0).integers(1, 256, (40, 40), np.uint8)
    tifffile.imwrite(path, values, **options)
    content = path.read_bytes()
    for length in range(300, len(content) - 1, 41):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match="image.tif: damaged"):
            read_stored(path)


def test_sparse_tiles_are_refused(path):
    tifffile.imwrite(path, np.ones((32, 32), np.uint8), tile=(16, 16))
    with tifffile.TiffFile(path) as file:
        place = file.pages[0].tags["TileByteCounts"].valueoffset
        form = "<I" if file.pages[0].tags["TileByteCounts"].dtype == 4 else "<H"
    content = bytearray(path.read_bytes())
    content[place : place + struct.calcsize(form)] = struct.pack(form, 0)
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        read_stored(path)


def test_a_claim_of_gigabytes_is_refused_before_it_is_believed(path):
    content = bytearray(tiff(np.zeros((4, 5, 1), int), 8, 1, compression=8))
    for tag in (256, 257):
        place = content.index(struct.pack("<HHI", tag, 4, 1))
        content[place + 8 : place + 12] = struct.pack("<I", 200_000)
    path.write_bytes(content)
    with pytest.raises(DataError, match="200000x200000 pixels; at most 100,000,000 are read"):
        read_stored(path)


def refusal(path):
    """The reason for which a file is not read; nothing if it is."""
    try:
        read_stored(path)
    except DataError as error:
        return str(error)
    return ""


@pytest.mark.slow
def test_garbage_is_refused_in_one_line_or_read(path):
    generator = np.random.default_rng(0)
    for compression in (1, 8, 32773):
        content = tiff(generator.integers(0, 256, (12, 9, 3)), 8, RGB, rows=5, compression=compression)
        for _ in range(500):
            spoilt = bytearray(content)
            for place in generator.integers(len(content) - 250, len(content), 2):
                spoilt[place] = generator.integers(256)
            path.write_bytes(spoilt)
            assert "\n" not in refusal(path)


def test_four_inks_that_are_not_those_of_print_are_refused(path):
    extra = [(332, "H", 1, 2, True)]
    tifffile.imwrite(path, np.zeros((4, 4, 4), np.uint8), photometric="separated", extratags=extra, metadata=None)
    with pytest.raises(DataError, match="four inks that are not cyan, magenta, yellow and black"):
        read_stored(path)
