"""NIfTI: written from the standard's layout of bytes, read against it and against nibabel."""

import gzip
import subprocess
import sys

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.data.formats.writers import nifti
from tests.examples import examples

from segbench.data.formats import volume_file
from segbench.data.formats.volume_file import open_volume
from segbench.errors import DataError

METRE, MM, MICRON = 1, 2, 3
TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("nifti")


def save(folder, content, name="image.nii"):
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def drawn(generator, dtype, shape):
    if dtype[0] == "f":
        return generator.normal(0, 100, shape).astype(dtype)
    limits = np.iinfo(dtype)
    return generator.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


@examples(200)
@given(
    st.sampled_from(TYPES), st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 4)), st.sampled_from("<>"),
    st.sampled_from([1, 2]), st.sampled_from(["image.nii", "image.nii.gz", "pair.hdr"]), st.integers(0, 3),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_voxels_of_every_type_order_and_kind_of_file(folder, dtype, shape, order, version, name, further, seed):
    voxels = drawn(np.random.default_rng(seed), dtype, shape)
    # One frame, however many dimensions it is told to have.
    content = nifti(voxels.reshape(*shape, *[1] * further), order=order, version=version, pair=name == "pair.hdr")
    if name == "pair.hdr":
        (folder / "pair.img").write_bytes(content[1])
        content = content[0]
    volume = open_volume(save(folder, content, name))
    found = volume.voxels()
    np.testing.assert_array_equal(found, voxels)
    assert found.dtype.newbyteorder("=") == voxels.dtype
    assert (volume.shape, volume.spacing, volume.scaled) == (shape, (1.5, 1.5, 8.0), False)


@examples(100)
@given(
    st.sampled_from([METRE, MM, MICRON]), st.sampled_from([0, 8, 16, 24, 56]),
    st.tuples(*[st.floats(0.25, 12).map(lambda size: round(size, 3))] * 3), st.sampled_from([1, 2]),
)  # fmt: skip
def test_every_unit_becomes_mm(folder, unit, time, spacing, version):
    factor = {METRE: 1e-3, MM: 1, MICRON: 1e3}[unit]
    sizes = [size * factor for size in spacing]
    rows = np.diag([*sizes, 1])[:3] + np.array([[0, 0, 0, 10 * factor]] * 3)
    voxels = np.zeros((4, 3, 2), np.uint8)
    # The higher bits are the unit of time.
    volume = open_volume(save(folder, nifti(voxels, spacing=sizes, units=unit | time, sform=rows, version=version)))
    np.testing.assert_allclose(volume.spacing, spacing, rtol=1e-6)
    np.testing.assert_allclose(
        volume.affine, [*(np.diag([*spacing, 1])[:3] + [[0, 0, 0, 10]] * 3), [0, 0, 0, 1]], rtol=1e-5
    )


def test_metres_of_a_round_number_of_mm_are_exactly_that(folder):
    """1.5 mm written as 0.0015 m in a float32; a size that is off by a bit would round to another number of pixels."""
    for unit, factor in ((METRE, 1e-3), (MICRON, 1e3)):
        for size in (0.5, 0.7, 1.25, 1.40625, 1.5, 5, 6.5, 8, 10):
            path = save(folder, nifti(np.zeros((2, 2, 2), np.uint8), spacing=[size * factor] * 3, units=unit))
            assert open_volume(path).spacing == (np.float32(size),) * 3


def test_an_unknown_unit_is_mm_and_said_once(folder, caplog):
    path = save(folder, nifti(np.zeros((2, 2, 2), np.uint8), units=0))
    volume_file._log_once.cache_clear()
    with caplog.at_level("INFO"):
        assert open_volume(path).spacing == open_volume(path).spacing == (1.5, 1.5, 8.0)
    assert caplog.messages == ["volumes without a unit of length in their header are read as mm"]


@examples(60)
@given(st.sampled_from(["u1", "i2", "u2", "f4"]), st.floats(0.01, 100), st.floats(-100, 100), st.integers(0, 2**32 - 1))
def test_scaling_is_applied_as_nibabel_does(folder, dtype, slope, inter, seed):
    voxels = drawn(np.random.default_rng(seed), dtype, (3, 4, 2))
    path = save(folder, nifti(voxels, slope=slope, inter=inter))
    volume = open_volume(path)
    np.testing.assert_array_equal(volume.voxels(), np.asarray(nibabel.load(path).dataobj))
    expected = voxels.astype(float) * np.float32(slope) + np.float32(inter)
    np.testing.assert_allclose(volume.voxels(), expected, rtol=1e-6, atol=1e-5)
    assert volume.scaled == ((np.float32(slope), np.float32(inter)) != (1, 0))


def test_where_it_lies_is_as_nibabel_says(folder):
    rows = np.array([[-1.4, 0.1, 0, 7], [0.1, 1.4, 0, -3], [0, 0, 8, 2]])
    sizes = np.linalg.norm(rows[:, :3], axis=0)
    for options in ({"sform": rows}, {"qform": (1, 2, 3), "quaternion": (0.1, 0.2, 0.3), "qfac": -1.0}, {}):
        path = save(folder, nifti(np.zeros((3, 4, 2), np.uint8), spacing=sizes, **options))
        np.testing.assert_array_equal(open_volume(path).affine, nibabel.load(path).affine)


@examples(100)
@given(
    st.permutations([0, 1, 2]), st.tuples(*[st.sampled_from([1, -1])] * 3), st.tuples(*[st.floats(0.3, 9)] * 3),
    st.tuples(*[st.floats(-200, 200)] * 3), st.floats(-0.2, 0.2), st.sampled_from([1, 2]), st.sampled_from("<>"),
)  # fmt: skip
def test_volumes_lie_where_their_sform_says(folder, axes, signs, sizes, offset, angle, version, order):
    """All 48 orientations along the axes, turned a little."""
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    rows = np.column_stack([turn @ (np.eye(3)[axes] * signs * sizes), offset])
    spacing = np.linalg.norm(rows[:, :3], axis=0)
    content = nifti(np.zeros((3, 4, 2), np.uint8), spacing=spacing, sform=rows, version=version, order=order)
    path = save(folder, content)
    volume = open_volume(path)
    np.testing.assert_array_equal(volume.affine, nibabel.load(path).affine)
    np.testing.assert_allclose(volume.affine[:3], rows, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(volume.spacing, spacing, rtol=1e-5)


@examples(100)
@given(
    st.tuples(*[st.floats(-0.57, 0.57)] * 3), st.tuples(*[st.floats(0.3, 9)] * 3), st.tuples(*[st.floats(-200, 200)] * 3),
    st.sampled_from([1.0, -1.0]), st.sampled_from([1, 2]), st.sampled_from("<>"),
)  # fmt: skip
def test_volumes_lie_where_their_quaternion_says(folder, quaternion, spacing, offset, hand, version, order):
    content = nifti(
        np.zeros((3, 4, 2), np.uint8), spacing=spacing, qform=offset, quaternion=quaternion, qfac=hand, version=version,
        order=order,
    )  # fmt: skip
    path = save(folder, content)
    volume = open_volume(path)
    np.testing.assert_array_equal(volume.affine, nibabel.load(path).affine)
    np.testing.assert_allclose(volume.affine[:3, 3], offset, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(volume.affine[:3, :3], axis=0), spacing, rtol=1e-4)
    assert np.sign(np.linalg.det(volume.affine[:3, :3])) == hand


VOXELS = np.arange(24, dtype=np.int16).reshape(3, 4, 2)
NAN, INF = float("nan"), float("inf")
SHIFTED = np.array([[1.5, 0, 0, 5.0], [0, 1.5, 0, 0], [0, 0, 8, 0]])
REFUSED = {
    "no size": ({"spacing": (1.5, 0.0, 8.0)}, "voxel size (1.5, 0.0, 8.0) mm; write the true size into the header"),
    "a negative size": ({"spacing": (1.5, -1.5, 8.0)}, "voxel size (1.5, -1.5, 8.0) mm"),
    "a size that is no number": ({"spacing": (NAN, 1.5, 8.0)}, "voxel size (nan, 1.5, 8.0) mm"),
    "an infinite size": ({"spacing": (INF, 1.5, 8.0)}, "voxel size (inf, 1.5, 8.0) mm"),
    "a unit of frequency": ({"units": 5}, "unit of length 5 in xyzt_units is not defined; set it to 2 (mm)"),
    "a dimension of 0": ({"dim": (3, 4, 0)}, "its header has shape (3, 4, 0); every dimension must be at least 1"),
    "a negative dimension": ({"dim": (3, -4, 2)}, "its header has shape (3, -4, 2)"),
    "two dimensions": ({"dim": (3, 8)}, "2-D volume (3, 8); expected one frame (x, y, slice)"),
    "several frames": ({"dim": (3, 4, 1, 2)}, "4-D volume (3, 4, 1, 2); expected one frame (x, y, slice)"),
    "vectors": ({"dim": (3, 4, 1, 1, 2)}, "5-D volume (3, 4, 1, 1, 2); expected one frame"),
    "fewer slices than it holds": ({"dim": (3, 4, 1)}, "has more than the 376 bytes that its header says"),
    "shorter rows than it holds": ({"dim": (2, 4, 2)}, "has more than the 384 bytes that its header says"),
    "more slices than it holds": ({"dim": (3, 4, 3)}, "damaged (truncated: 400 of the 424 bytes that its header says)"),
    "gigabytes": ({"dim": (700, 700, 700)}, "damaged (truncated: 400 of the 686,000,352 bytes that its header says)"),
    "terabytes": ({"dim": (30_000, 30_000, 3_000)}, "2,700,000,000,000 voxels; at most 500,000,000 are read"),
    "a sform that is no number": ({"sform": SHIFTED * NAN}, "is invalid; write the true one"),
    "a flat sform": ({"sform": SHIFTED * [[1], [1], [0]]}, "is invalid; write the true one"),
    "two places": (
        {"sform": SHIFTED, "qform": (0, 0, 0), "codes": (1, 1)},
        "sform and qform differ by up to 5 mm; set the code of the wrong one to 0",
    ),
    "two sizes": (
        {"sform": SHIFTED, "spacing": (1, 1, 1)},
        "voxel size 1 x 1 x 1 in pixdim but 1.5 x 1.5 x 8 in sform; write the true one",
    ),
    "a slope without an intercept": ({"slope": 2.0, "inter": NAN}, "not a NIfTI volume (Valid slope but invalid"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", ["image.nii", "image.nii.gz"])
def test_a_header_that_cannot_be_believed_is_refused(tmp_path, case, version, name):
    options, expected = REFUSED[case]
    expected = expected if version == 1 else expected.replace("376", "568").replace("384", "576")
    path = save(tmp_path, nifti(VOXELS, version=version, **options), name)
    with pytest.raises(DataError) as refusal:
        open_volume(path).voxels()
    assert str(refusal.value).startswith(f"{path}: ")
    if version == 1 or "bytes" not in expected:
        assert expected in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_forms_of_different_spaces_may_differ(folder):
    """The scanner's place and, say, that of a template."""
    template = np.diag([2.0, 2.0, 2.0, 1.0])[:3]
    path = save(folder, nifti(VOXELS, sform=template, qform=(1, 2, 3), codes=(4, 1)))
    assert open_volume(path).spacing == (1.5, 1.5, 8.0)


def test_a_sform_of_unit_voxels_tells_no_size(folder):
    """As in ACDC's own files."""
    path = save(folder, nifti(VOXELS, sform=np.diag([-1.0, -1.0, 1.0, 1.0])[:3]))
    assert open_volume(path).spacing == (1.5, 1.5, 8.0)


@pytest.mark.slow
def test_a_file_cut_anywhere_is_refused(tmp_path):
    whole = {"a.nii": nifti(VOXELS), "b.nii.gz": gzip.compress(nifti(VOXELS))}
    for name, content in whole.items():
        for length in range(len(content)):
            (tmp_path / name).write_bytes(content[:length])
            with pytest.raises(DataError, match=rf"{name}: (empty file|not a NIfTI volume|damaged)"):
                open_volume(tmp_path / name).voxels()


def test_every_flipped_bit_of_packed_voxels_is_noticed(tmp_path):
    """By gzip's checksum, which only who reads to the end compares."""
    content = gzip.compress(nifti(drawn(np.random.default_rng(0), "i2", (9, 9, 4))), mtime=0)
    for place in range(200, len(content) - 4, 7):
        spoilt = bytearray(content)
        spoilt[place] ^= 4
        (tmp_path / "a.nii.gz").write_bytes(spoilt)
        with pytest.raises(DataError, match=r"a.nii.gz: "):
            open_volume(tmp_path / "a.nii.gz").voxels()


@pytest.mark.slow
def test_a_lying_packed_file_takes_no_memory(tmp_path):
    """400 bytes that claim 1 GB, and 1 GB of zeros packed into 1 MB behind a header that claims 48 bytes."""
    (tmp_path / "claims.nii.gz").write_bytes(gzip.compress(nifti(VOXELS, dim=(700, 700, 1000))))
    with gzip.open(tmp_path / "bomb.nii.gz", "wb", compresslevel=1) as stream:
        stream.write(nifti(VOXELS))
        for _ in range(64):
            stream.write(bytes(1 << 24))
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from segbench.data.formats.volume_file import open_volume\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for name in ('claims', 'bomb'):\n"
        "    try:\n"
        "        open_volume(Path(sys.argv[1]) / f'{name}.nii.gz').voxels()\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__, str(error).split(': ')[1])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=240)
    first, second, grown = done.stdout.splitlines()
    assert first == "DataError damaged (truncated"
    assert second == "DataError has more than the 400 bytes that its header says; correct dim or datatype"
    # In kB.
    assert int(grown) < 100_000


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"<!DOCTYPE html>" * 50, "not a NIfTI volume (no NIfTI-1 or NIfTI-2 header)"),
        (nifti(VOXELS).replace(b"n+1\0", b"\0\0\0\0"), "not a NIfTI volume (no NIfTI-1 or NIfTI-2 header)"),
        (nifti(VOXELS)[:200], "not a NIfTI volume"),
    ],
)
def test_what_is_no_nifti_is_refused(tmp_path, content, expected):
    with pytest.raises(DataError) as refusal:
        open_volume(save(tmp_path, content))
    assert expected in str(refusal.value)


def test_a_packed_file_named_as_plain_and_the_reverse(tmp_path):
    (tmp_path / "a.nii").write_bytes(gzip.compress(nifti(VOXELS)))
    (tmp_path / "b.nii.gz").write_bytes(nifti(VOXELS))
    for name in ("a.nii", "b.nii.gz"):
        with pytest.raises(DataError, match=f"{name}: not a NIfTI volume"):
            open_volume(tmp_path / name)


@pytest.mark.parametrize("offset", [NAN, INF, -1.0, 0.0, 300.0, 1e30])
def test_voxels_that_begin_nowhere_are_refused(tmp_path, offset):
    content = bytearray(nifti(VOXELS))
    content[108:112] = np.float32(offset).tobytes()
    with pytest.raises(DataError, match=r"image.nii: (not a NIfTI volume|damaged)"):
        open_volume(save(tmp_path, bytes(content)))


def test_colours_and_complex_numbers_are_refused(tmp_path):
    for code, bits in ((128, 24), (32, 64)):
        content = bytearray(nifti(VOXELS))
        content[70:74] = np.array([code, bits], "<i2").tobytes()
        with pytest.raises(DataError, match="expected one number per voxel"):
            open_volume(save(tmp_path, bytes(content)))


def test_a_pair_needs_both_files(tmp_path):
    head, voxels = nifti(VOXELS, pair=True)
    (tmp_path / "a.hdr").write_bytes(head)
    with pytest.raises(DataError, match=r"a.hdr: a.img with its voxels is missing"):
        open_volume(tmp_path / "a.hdr")
    (tmp_path / "a.img").write_bytes(voxels + b"\0\0")
    with pytest.raises(DataError, match=r"a.img: has more than the 48 bytes"):
        open_volume(tmp_path / "a.hdr")
    (tmp_path / "a.img.gz").write_bytes(gzip.compress(voxels))
    (tmp_path / "a.img").unlink()
    np.testing.assert_array_equal(open_volume(tmp_path / "a.hdr").voxels(), VOXELS)


def test_what_the_operating_system_will_not_read_is_no_damage(tmp_path, monkeypatch):
    path = save(tmp_path, nifti(VOXELS))
    volume = open_volume(path)
    path.unlink()
    with pytest.raises(DataError, match=r"image.nii: cannot be read \(No such file or directory\)"):
        volume.voxels()


def test_nibabel_reads_the_same_of_the_writer(folder):
    """A second reader for the writer that these tests use."""
    for version in (1, 2):
        for order in "<>":
            path = save(folder, nifti(VOXELS, order=order, version=version, sform=SHIFTED, units=MM))
            image = nibabel.load(path)
            np.testing.assert_array_equal(np.asarray(image.dataobj), VOXELS)
            np.testing.assert_array_equal(image.affine[:3], SHIFTED)
            assert image.header.get_xyzt_units()[0] == "mm"
            np.testing.assert_array_equal(image.header.get_zooms(), (1.5, 1.5, 8))
