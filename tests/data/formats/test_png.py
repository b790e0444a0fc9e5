"""PNG: every colour type and depth of the specification, written from it."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.data.formats.writers import chunk, exif, png
from tests.examples import examples

from segbench.data.formats.reader import read_stored
from segbench.errors import DataError

GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
DEPTHS = {GREY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16), RGB_ALPHA: (8, 16)}
SAMPLES = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
KINDS = {GREY: "grey", RGB: "RGB", PALETTE: "palette", GREY_ALPHA: "grey", RGB_ALPHA: "RGB"}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("png") / "image.png"


@examples(300)
@given(
    st.sampled_from([(colours, bits) for colours, depths in DEPTHS.items() for bits in depths]),
    st.integers(1, 20), st.integers(1, 20), st.booleans(), st.integers(0, 9), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_every_colour_type_and_depth_is_read_as_it_is_stored(path, kind, height, width, interlaced, turn, seed):
    colours, bits = kind
    samples = np.random.default_rng(seed).integers(0, 2**bits, (height, width, SAMPLES[colours]))
    palette = np.random.default_rng(seed).integers(0, 256, (2**bits if colours == PALETTE else 1, 3), np.uint8)
    extra = chunk(b"PLTE", palette.tobytes()) if colours == PALETTE else b""
    path.write_bytes(png(samples, bits, colours, extra, interlaced, after=chunk(b"eXIf", exif(turn))))
    found = read_stored(path)
    alpha = colours in (GREY_ALPHA, RGB_ALPHA)
    np.testing.assert_array_equal(found.samples, samples[..., :-1] if alpha else samples)
    assert found.samples.dtype == (np.uint16 if bits == 16 else np.uint8)
    assert (found.kind, found.bits) == (KINDS[colours], bits)
    assert found.orientation == (turn if 1 <= turn <= 8 else 1)
    assert (found.lossy, found.inverted, found.greyless) == (False, False, False)
    if colours == PALETTE:
        np.testing.assert_array_equal(found.palette[: len(palette)], palette)
    if alpha:
        np.testing.assert_array_equal(found.see_through, samples[..., -1] < 2**bits - 1)
    else:
        assert found.see_through is None


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_transparent_grey_is_known_by_its_stored_value(path, bits):
    samples = np.arange(40).reshape(5, 8, 1) % 2**bits
    path.write_bytes(png(samples, bits, GREY, chunk(b"tRNS", struct.pack(">H", 1))))
    found = read_stored(path)
    np.testing.assert_array_equal(found.samples, samples)
    np.testing.assert_array_equal(found.see_through, samples[..., 0] == 1)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_transparent_colour_is_known(path, bits):
    samples = np.random.default_rng(0).integers(0, 2, (6, 7, 3))
    path.write_bytes(png(samples, bits, RGB, chunk(b"tRNS", struct.pack(">HHH", 1, 0, 1))))
    found = read_stored(path)
    np.testing.assert_array_equal(found.samples, samples)
    np.testing.assert_array_equal(found.see_through, (samples == [1, 0, 1]).all(axis=2))


def test_transparent_entries_of_a_palette_are_known(path):
    samples = np.arange(40).reshape(5, 8, 1) % 4
    extra = chunk(b"PLTE", bytes(range(12))) + chunk(b"tRNS", bytes([255, 0, 128]))
    path.write_bytes(png(samples, 2, PALETTE, extra))
    np.testing.assert_array_equal(read_stored(path).see_through, np.isin(samples[..., 0], [1, 2]))


@pytest.mark.parametrize("bits", [2, 8, 16])
def test_gamma_and_profile_change_no_value(path, bits):
    samples = np.random.default_rng(0).integers(0, 2**bits, (6, 7, 1))
    path.write_bytes(png(samples, bits, GREY, chunk(b"gAMA", struct.pack(">I", 100_000)) + chunk(b"sRGB", b"\0")))
    np.testing.assert_array_equal(read_stored(path).samples, samples)


@pytest.mark.slow
def test_every_flipped_bit_is_noticed(path):
    content = png(np.random.default_rng(0).integers(0, 4, (20, 30, 1)), 8, GREY)
    for place in range(8, len(content)):
        for bit in (0, 3, 7):
            spoilt = bytearray(content)
            spoilt[place] ^= 1 << bit
            path.write_bytes(spoilt)
            with pytest.raises(DataError, match=r"image.png: (damaged|\d+x\d+ pixels)"):
                read_stored(path)


@pytest.mark.slow
def test_a_file_cut_anywhere_is_refused(path):
    content = png(np.random.default_rng(0).integers(0, 65536, (9, 9, 3)), 16, RGB)
    for length in range(1, len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match=r"image.png: (damaged|not an image)"):
            read_stored(path)


@pytest.mark.parametrize(
    "kind", [(GREY, 1), (GREY, 2), (GREY, 8), (GREY, 16), (RGB, 8), (RGB, 16), (PALETTE, 8), (RGB_ALPHA, 8)]
)
@pytest.mark.parametrize("interlaced", [False, True])
def test_rows_that_are_missing_are_never_filled_in(path, kind, interlaced):
    """A header that claims more rows than are there; Pillow makes them of zeros."""
    colours, bits = kind
    samples = np.random.default_rng(0).integers(0, 2 if colours == PALETTE else 2**bits, (9, 9, SAMPLES[colours]))
    extra = chunk(b"PLTE", bytes(range(12))) if colours == PALETTE else b""
    content = png(samples, bits, colours, extra, interlaced)

    def header(height):
        return chunk(b"IHDR", struct.pack(">IIBBBBB", 9, height, bits, colours, 0, 0, int(interlaced)))

    path.write_bytes(content.replace(header(9), header(12)))
    with pytest.raises(DataError, match=r"image.png: damaged"):
        read_stored(path)


@pytest.mark.parametrize("kind", [(GREY, 2), (PALETTE, 8)])
def test_rows_that_the_header_leaves_out_are_not_lost(path, kind):
    colours, bits = kind
    extra = chunk(b"PLTE", bytes(range(12))) if colours == PALETTE else b""
    content = png(np.zeros((9, 9, 1), int), bits, colours, extra)
    headers = [chunk(b"IHDR", struct.pack(">IIBBBBB", 9, height, bits, colours, 0, 0, 0)) for height in (9, 6)]
    path.write_bytes(content.replace(*headers))
    with pytest.raises(DataError, match=r"image.png: damaged \(more or fewer pixels than its header says\)"):
        read_stored(path)


def test_an_animation_is_refused_with_its_frames(path):
    frames = [Image.new("L", (6, 5), value) for value in (1, 2, 3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match="image.png: 3 frames; expected a single image"):
        read_stored(path)


@pytest.mark.parametrize("bits", [1, 16])
def test_a_huge_claim_is_refused_before_anything_is_decoded(path, bits):
    path.write_bytes(png(np.zeros((1, 1, 1), int), bits, GREY).replace(
        chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, bits, 0, 0, 0, 0)),
        chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, bits, 0, 0, 0, 0)),
    ))  # fmt: skip
    with pytest.raises(DataError, match="image.png: 60000x60000 pixels; at most 100,000,000 are read"):
        read_stored(path)


def test_pillow_agrees_on_what_it_can_hold(path):
    """A second reader for the writer above."""
    samples = np.random.default_rng(0).integers(0, 256, (9, 8, 3))
    content = png(samples, 8, RGB, interlaced=True)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), samples)


@pytest.mark.parametrize("field", [10, 11, 12])
@pytest.mark.parametrize("kind", [0, 3])
def test_what_the_standard_does_not_define_is_refused(path, field, kind):
    palette = chunk(b"PLTE", bytes(6)) if kind else b""
    content = bytearray(png(np.zeros((4, 4, 1), int), 8, kind, palette, interlaced=field == 12))
    content[16 + field] = 2
    path.write_bytes(bytes(content[:8]) + chunk(b"IHDR", bytes(content[16:29])) + bytes(content[33:]))
    with pytest.raises(DataError, match="damaged"):
        read_stored(path)


def test_a_critical_chunk_that_is_not_of_the_standard_is_named(path):
    content = png(np.zeros((4, 4, 3), int), 8, 2)
    path.write_bytes(content[:8] + chunk(b"CgBI", b"P\0 \2") + content[8:])
    with pytest.raises(DataError, match="no PNG of the standard \\(a chunk 'CgBI'\\)"):
        read_stored(path)
