"""JPEG, GIF, BMP and WebP, written from their specifications or by other libraries than the one that reads them."""

import struct
import time

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.data.formats.writers import bmp, exif, gif
from tests.examples import examples

from segbench.data.formats.reader import read_orientation, read_stored
from segbench.errors import DataError

seeds = st.integers(0, 2**32 - 1)
sides = st.integers(1, 20)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("raster") / "image"


@examples(150)
@given(st.integers(2, 256), sides, sides, seeds, st.booleans())
def test_a_gif_gives_its_indices_and_its_palette(path, colours, height, width, seed, keyed):
    generator = np.random.default_rng(seed)
    index = generator.integers(0, colours, (height, width))
    palette = generator.integers(0, 256, (colours, 3))
    path.write_bytes(gif(index, palette, key=1 if keyed else None))
    found = read_stored(path)
    np.testing.assert_array_equal(found.samples[..., 0], index)
    assert (found.kind, found.orientation, found.lossy) == ("palette", 1, False)
    np.testing.assert_array_equal(found.palette[:colours], palette)
    if keyed:
        np.testing.assert_array_equal(found.see_through, index == 1)


def test_a_gif_whose_palette_is_the_index_is_grey(path):
    index = np.arange(20).reshape(4, 5)
    path.write_bytes(gif(index, np.repeat(np.arange(256)[:, None], 3, axis=1)))
    found = read_stored(path)
    assert found.kind == "grey"
    np.testing.assert_array_equal(found.samples[..., 0], index)


def test_a_gif_of_several_frames_or_of_a_part_of_its_screen_is_refused(path):
    index, palette = np.ones((4, 5), int), np.array([[0, 0, 0], [9, 9, 9]])
    path.write_bytes(gif(index, palette, frames=3))
    with pytest.raises(DataError, match="image: 3 frames; expected a single image"):
        read_stored(path)
    path.write_bytes(gif(index, palette, size=(8, 9), corner=(1, 2)))
    with pytest.raises(DataError, match="image: its frame does not cover the GIF's canvas of 9x8 pixels"):
        read_stored(path)


@examples(150)
@given(st.sampled_from([1, 4, 8]), sides, sides, seeds, st.booleans(), st.booleans())
def test_a_bmp_with_a_palette_gives_its_indices(path, bits, height, width, seed, top_down, packed):
    generator = np.random.default_rng(seed)
    index = generator.integers(0, 2**bits, (height, width))
    palette = generator.integers(0, 256, (2**bits, 3))
    rle = packed and bits > 1 and not top_down
    path.write_bytes(bmp(index, bits, palette, top_down, rle=rle))
    found = read_stored(path)
    np.testing.assert_array_equal(found.samples[..., 0], index)
    if found.kind == "palette":
        np.testing.assert_array_equal(found.palette, palette)
    else:
        # A palette of which each entry is its own grey.
        assert (palette == np.arange(2**bits)[:, None] * (255 if bits == 1 else 1)).all()


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_a_bmp_whose_palette_begins_with_white_keeps_its_indices(path, bits):
    index = np.arange(28).reshape(4, 7) % 2
    shades = np.linspace(255, 0, 2**bits).astype(int)
    path.write_bytes(bmp(index, bits, np.repeat(shades[:, None], 3, axis=1)))
    found = read_stored(path)
    np.testing.assert_array_equal(found.samples[..., 0], index)
    assert found.palette[0].tolist() == [255, 255, 255]


@examples(150)
@given(st.sampled_from([16, 24, 32]), sides, sides, seeds, st.booleans(), st.booleans())
def test_a_bmp_of_colours_gives_them(path, bits, height, width, seed, top_down, fields):
    samples = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    masks = {16: (0xF800, 0x7E0, 0x1F), 32: (0xFF0000, 0xFF00, 0xFF)}.get(bits) if fields else None
    path.write_bytes(bmp(samples, bits, None, top_down, masks))
    found = read_stored(path)
    assert (found.kind, found.see_through) == ("RGB", None)
    if bits == 16:
        # 5 or 6 bits of each colour are stored, and widened so that the largest becomes 255.
        kept = np.array([3, 2 if masks else 3, 3])
        most = 2 ** (8 - kept) - 1
        assert np.abs(found.samples - (samples >> kept) * 255 / most).max() < 1
    else:
        np.testing.assert_array_equal(found.samples, samples)


def test_opencv_reads_the_same_of_the_bmp_writer(path):
    """A second reader for the writer that these tests use."""
    samples = np.random.default_rng(0).integers(0, 256, (7, 5, 3))
    for bits in (24, 32):
        content = np.frombuffer(bmp(samples, bits, top_down=bits == 32), np.uint8)
        np.testing.assert_array_equal(cv2.imdecode(content, cv2.IMREAD_COLOR)[..., ::-1], samples)


@examples(60)
@given(sides, sides, seeds)
def test_a_lossless_webp_gives_its_colours(path, height, width, seed):
    samples = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    # From 101 on OpenCV's quality is lossless.
    path.write_bytes(cv2.imencode(".webp", samples[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes())
    found = read_stored(path)
    np.testing.assert_array_equal(found.samples, samples)
    assert (found.kind, found.lossy, found.greyless) == ("RGB", False, True)


@examples(60)
@given(sides, sides, seeds, st.booleans())
def test_a_lossless_webp_with_opacity_gives_both(path, height, width, seed, opaque):
    samples = np.random.default_rng(seed).integers(1, 256, (height, width, 4), np.uint8)
    samples[..., 3] = 255 if opaque else samples[..., 3]
    bgra = samples[..., [2, 1, 0, 3]]
    path.write_bytes(cv2.imencode(".webp", bgra, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes())
    found = read_stored(path)
    np.testing.assert_array_equal(found.samples, samples[..., :3])
    see_through = samples[..., 3] < 255
    if found.see_through is None:
        assert not see_through.any()
    else:
        np.testing.assert_array_equal(found.see_through, see_through)


def test_a_lossy_webp_is_known_with_and_without_metadata(path):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))
    for options in ({}, {"exif": b"Exif\0\0" + exif(6)}, {"icc_profile": b"\0" * 129}):
        image.save(path, "WEBP", quality=100, **options)
        assert read_stored(path).lossy
        image.save(path, "WEBP", lossless=True, **options)
        assert not read_stored(path).lossy


def test_opacity_of_a_webp_is_known(path):
    samples = np.full((4, 5, 4), 255, np.uint8)
    samples[1, 2, 3] = 0
    path.write_bytes(cv2.imencode(".webp", samples, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes())
    np.testing.assert_array_equal(read_stored(path).see_through, samples[..., 3] < 255)


def test_an_animated_webp_is_refused(path):
    frames = [Image.new("RGB", (6, 5), (value, 0, 0)) for value in (1, 200)]
    frames[0].save(path, "WEBP", save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match="image: 2 frames; expected a single image"):
        read_stored(path)


@examples(40)
@given(st.sampled_from([1, 3]), st.integers(1, 40), st.integers(1, 40), seeds)
def test_a_jpeg_is_decoded_as_opencv_does(path, count, height, width, seed):
    samples = np.random.default_rng(seed).integers(0, 256, (height, width, count), np.uint8)
    content = cv2.imencode(".jpg", samples, [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    path.write_bytes(content.tobytes())
    found = read_stored(path)
    assert (found.kind, found.lossy) == ("grey" if count == 1 else "RGB", True)
    # Two builds of one library: their transforms round by a level.
    expected = cv2.imdecode(content, cv2.IMREAD_UNCHANGED).reshape(height, width, count)[..., ::-1]
    assert np.abs(found.samples.astype(int) - expected).max() <= 3


@examples(40)
@given(st.tuples(*[st.integers(0, 255)] * 4), st.integers(1, 40), st.integers(1, 40))
def test_the_inks_of_a_jpeg_are_read(path, inks, height, width):
    """CMYK as Adobe stores it, inverted; an even colour survives the compression up to rounding."""
    Image.new("CMYK", (width, height), inks).save(path, "JPEG", quality=100)
    found = read_stored(path)
    assert (found.kind, found.lossy, found.samples.shape) == ("CMYK", True, (height, width, 4))
    assert np.abs(found.samples.astype(int) - inks).max() <= 2


@examples(40)
@given(st.integers(1, 8), st.integers(8, 40), st.integers(8, 40), st.integers(1, 3), seeds)
def test_of_several_pictures_in_a_jpeg_the_first_is_read_and_its_orientation_told(
    path, turn, height, width, others, seed
):
    generator = np.random.default_rng(seed)
    pictures = [Image.fromarray(generator.integers(0, 256, (height, width, 3), np.uint8)) for _ in range(others + 1)]
    block = b"Exif\0\0" + exif(turn)
    pictures[0].save(path, "JPEG", quality=95, exif=block)
    alone = read_stored(path)
    pictures[0].save(path, "MPO", save_all=True, append_images=pictures[1:], quality=95, exif=block)
    found = read_stored(path)
    np.testing.assert_array_equal(found.samples, alone.samples)
    assert found.orientation == read_orientation(path) == turn


def test_the_first_picture_of_an_mpo_is_read(path):
    pixels = np.full((48, 64, 3), 120, np.uint8)
    first, second = Image.fromarray(pixels), Image.new("RGB", (16, 12), (9, 9, 9))
    first.save(path, format="MPO", save_all=True, append_images=[second], quality=95)
    found = read_stored(path)
    assert found.samples.shape == (48, 64, 3)
    assert np.abs(found.samples.astype(int) - 120).max() <= 2


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_orientation_of_every_format_that_has_one_is_told(path, orientation, order):
    image, block = Image.new("RGB", (6, 4)), b"Exif\0\0" + exif(orientation, order)
    for name in ("JPEG", "PNG", "WEBP"):
        image.save(path, name, exif=block)
        expected = orientation if 1 <= orientation <= 8 else 1
        assert read_stored(path).orientation == read_orientation(path) == expected


def test_exif_that_cannot_be_read_turns_nothing(path):
    Image.new("RGB", (6, 4)).save(path, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    assert read_stored(path).orientation == 1
    Image.new("RGB", (6, 4)).save(path, "JPEG", exif=b"Exif\0\0no TIFF at all")
    assert read_stored(path).orientation == read_orientation(path) == 1


# Runs of an image of 3 x 2: a row with a literal of three, and one of a run.
LITERAL, RUN = [0, 3, 1, 2, 3, 0], [3, 1]


@pytest.mark.parametrize(
    ("runs", "whole"),
    [
        ([*LITERAL, 0, 0, *RUN, 0, 0, 0, 1], True),
        ([*LITERAL, 0, 0, *RUN, 0, 1], True),
        ([*LITERAL, 0, 0, 2, 1, 0, 0, 0, 1], False),
        ([*LITERAL, 0, 0, 0, 1], False),
        ([*LITERAL, 0, 0, 0, 2, 1, 0, 2, 1, 0, 1], False),
        ([*LITERAL, 1, 1, 0, 0, *RUN, 0, 1], False),
        ([*LITERAL, 0, 0, *RUN], False),
    ],
)
def test_a_bmp_whose_runs_leave_out_pixels_is_refused(path, runs, whole):
    content = bmp(np.zeros((2, 3), int), 8, np.arange(768).reshape(256, 3) % 251, rle=True)
    (start,) = struct.unpack_from("<I", content, 10)
    path.write_bytes(content[:34] + struct.pack("<I", len(runs)) + content[38:start] + bytes(runs))
    if whole:
        np.testing.assert_array_equal(read_stored(path).samples[..., 0], [[1, 1, 1], [1, 2, 3]])
    else:
        with pytest.raises(DataError, match="its runs do not tell every pixel once"):
            read_stored(path)


CUT = {
    "GIF": gif(np.arange(600).reshape(20, 30) % 7, np.arange(24).reshape(8, 3)),
    "BMP": bmp(np.arange(600).reshape(20, 30) % 7, 8, np.arange(768).reshape(256, 3) % 251),
    "JPEG": cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))[1].tobytes(),
    "WEBP": cv2.imencode(".webp", np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))[1].tobytes(),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CUT)
def test_a_file_cut_short_is_refused(path, name):
    content = CUT[name]
    # A GIF is whole when its pixels are: the last bytes are ends of blocks.
    for length in [*range(1, len(content) - 4, 37)]:
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match="image: (damaged|not an image)"):
            read_stored(path)


def refusal(path):
    """The reason for which a file is not read; nothing if it is."""
    try:
        read_stored(path)
    except DataError as error:
        return str(error)
    return ""


@pytest.mark.slow
@pytest.mark.parametrize("name", CUT)
def test_garbage_is_refused_in_one_line_or_read(path, name):
    generator = np.random.default_rng(0)
    for _ in range(400):
        content = bytearray(CUT[name])
        for place in generator.integers(0, min(len(content), 200), 3):
            content[place] = generator.integers(256)
        path.write_bytes(content)
        assert "\n" not in refusal(path)


def test_a_claim_that_no_run_length_could_fill_is_refused_at_once(path):
    """Decoded in Python, 81 million pixels would take half a minute."""
    content = bytearray(bmp(np.zeros((4, 5), int), 8, np.zeros((256, 3), int), rle=True))
    content[18:26] = struct.pack("<ii", 9_000, 9_000)
    path.write_bytes(content)
    started = time.process_time()
    with pytest.raises(DataError, match=r"image: damaged \(truncated\)"):
        read_stored(path)
    assert time.process_time() - started < 5


def test_a_huge_claim_is_refused(path):
    content = bytearray(CUT["BMP"])
    content[18:26] = struct.pack("<ii", 60_000, 60_000)
    path.write_bytes(content)
    with pytest.raises(DataError, match="60000x60000 pixels; at most 100,000,000 are read|larger than"):
        read_stored(path)
