"""NIfTI-1 and NIfTI-2 volumes; what a header says is checked against the file and against itself."""

from __future__ import annotations

import functools
import gzip
import io
import logging
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.nifti1 import Nifti1Header, Nifti1PairHeader
from nibabel.nifti2 import Nifti2Header, Nifti2PairHeader
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from segbench.data.records import unreadable
from segbench.errors import DataError
from segbench.words import first_line

log = logging.getLogger("segbench")

# Limit on one volume, checked against its header: 512 x 512 x 1900.
MAX_VOXELS = 500_000_000
# Tolerance in mm within which two grids are the same.
SAME_PLACE = 1e-2
# mm per unit of length, by the low three bits of xyzt_units; 0 means unknown.
_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
# Codes of a sform that maps to the scanner's space, and not to a template.
_SCANNER = (1, 2)
# Determinant of an affine, in the header's unit, below which it is singular.
_SINGULAR = 1e-18
_HEADERS = {
    b"n+1\0": Nifti1Header, b"ni1\0": Nifti1PairHeader, b"n+2\0": Nifti2Header, b"ni2\0": Nifti2PairHeader
}  # fmt: skip
_LARGEST_HEADER = 540
_IMG_SUFFIXES = (".img", ".img.gz", ".IMG")
# A truncated gzip stream raises EOFError or zlib.error.
_DAMAGE = (HeaderDataError, WrapStructError, EOFError, ValueError, TypeError, OverflowError, KeyError, zlib.error)
_BLOCK = 1 << 22


@dataclass(frozen=True)
class Volume:
    """The header of a volume; its voxels stay on disk until requested.

    Attributes:
        path: The file; of a pair, the header.
        shape: Voxels along x, y and slice.
        spacing: Size of a voxel in mm along x, y and slice.
        affine: From voxel indices to mm, float64 (4,4).
        scaled: Whether stored values are multiplied or shifted (scl_slope, scl_inter).
        header: The header, for nibabel.
    """

    path: Path
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    affine: NDArray[np.float64]
    scaled: bool = False
    header: Any = field(default=None, repr=False, compare=False)

    def voxels(self) -> NDArray[Any]:
        """Return all voxels (X,Y,Z) with the header's scaling applied.

        Raises:
            DataError: If the file is damaged, or has more or fewer voxels than its header says.
        """
        path, offset = _voxel_file(self.path, self.header)
        with _reading(path, "damaged") as stream:
            content = _read_all(path, stream, offset + _voxel_bytes(self.header))
            found = np.asarray(ArrayProxy(io.BytesIO(content), self.header))
        return found.reshape(self.shape)


def open_volume(path: Path) -> Volume:
    """Read a volume's header.

    Args:
        path: A ``.nii`` or ``.nii.gz`` file, or the ``.hdr`` file of a pair.

    Raises:
        DataError: If it is unreadable, not three-dimensional or too large, if an uncompressed file is not as long as
            the header says, or if voxel size, position or unit are invalid or contradictory.
    """
    with _reading(path, "not a NIfTI volume") as stream:
        header = _header(path, stream.read(_LARGEST_HEADER))
        shape = _shape(path, header)
        if header.get_data_dtype().kind not in "iufb":
            raise DataError(f"{path}: voxels of type {header.get_data_dtype()}; expected one number per voxel")
        slope, inter = header.get_slope_inter()
        scaled = slope is not None and (slope, inter) != (1, 0)
        mm = _unit(path, header)
        spacing = _spacing(path, header, mm)
        with np.errstate(over="ignore"):
            affine = _affine(path, header, shape, mm)
        _check_length(path, header)
    return Volume(path, shape, spacing, affine, scaled, header)


def distance_between(one: NDArray[np.float64], other: NDArray[np.float64], shape: tuple[int, int, int]) -> float:
    """Return the largest distance between the corners of a volume under two affines; NaN if one is not finite."""
    corners = np.array([[x, y, z, 1] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=np.float64)
    corners[:, :3] *= np.array(shape) - 1
    return float(np.abs(corners @ (one - other).T).max())


# -- header ----------------------------------------------------------------------------------------


def _header(path: Path, start: bytes) -> Any:
    """Return the header unchecked: nibabel's checks repair it silently (a voxel size of 0 becomes 1)."""
    kind = _HEADERS.get(start[344:348]) or _HEADERS.get(start[4:8])
    if kind is None:
        raise DataError(f"{path}: not a NIfTI volume (no NIfTI-1 or NIfTI-2 header)")
    header = kind(start[: kind.template_dtype.itemsize], check=False)
    if header["pixdim"][0] == 0:
        # In the standard, 0 means 1 here (qfac).
        header["pixdim"][0] = 1
    return header


def _shape(path: Path, header: Any) -> tuple[int, int, int]:
    dimensions = int(header["dim"][0])
    shape = tuple(int(length) for length in header["dim"][1 : 1 + dimensions])
    if not 1 <= dimensions <= 7 or min(shape) < 1:
        raise DataError(f"{path}: its header has shape {shape}; every dimension must be at least 1")
    # A single frame is a volume, whatever the number of trailing dimensions of length 1.
    if len(shape) < 3 or any(length > 1 for length in shape[3:]):
        raise DataError(f"{path}: {len(shape)}-D volume {shape}; expected one frame (x, y, slice)")
    if (count := shape[0] * shape[1] * shape[2]) > MAX_VOXELS:
        raise DataError(f"{path}: {count:,} voxels; at most {MAX_VOXELS:,} are read")
    return shape[0], shape[1], shape[2]


def _unit(path: Path, header: Any) -> float:
    """Return how many mm the header's unit of length is."""
    code = int(header["xyzt_units"]) & 7
    if code not in _MM:
        raise DataError(f"{path}: unit of length {code} in xyzt_units is not defined; set it to 2 (mm)")
    if code == 0:
        _log_once("volumes without a unit of length in their header are read as mm")
    return _MM[code]


@functools.cache
def _log_once(line: str) -> None:
    log.info(line)


def _spacing(path: Path, header: Any, mm: float) -> tuple[float, float, float]:
    sizes = np.asarray(header["pixdim"][1:4])
    # Rounded to the header's own precision: 0.0015 m are exactly 1.5 mm.
    x, y, z = (float(sizes.dtype.type(float(size) * mm)) for size in sizes)
    if not all(np.isfinite(size) and size > 0 for size in (x, y, z)):
        raise DataError(f"{path}: voxel size {(x, y, z)} mm; write the true size into the header")
    return x, y, z


def _affine(path: Path, header: Any, shape: tuple[int, int, int], mm: float) -> NDArray[np.float64]:
    """Return the affine in mm.

    By the standard, pixdim is the voxel size. A sform of the scanner's space must agree with it, unless it has unit
    voxels and so no information (as in ACDC's own files).
    """
    affine = np.array(header.get_best_affine(), dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < _SINGULAR:
        raise DataError(f"{path}: its affine {affine[:3].round(6).tolist()} is invalid; write the true one")
    sform, qform = int(header["sform_code"]), int(header["qform_code"])
    if sform and sform == qform:
        distance = distance_between(affine, header.get_qform(), shape) * mm
        if not distance <= SAME_PLACE:
            raise DataError(
                f"{path}: sform and qform differ by up to {distance:.3g} mm; set the code of the wrong one to 0"
            )
    by_affine, by_pixdim = np.linalg.norm(affine[:3, :3], axis=0), np.asarray(header["pixdim"][1:4], np.float64)
    if sform in _SCANNER and not (np.allclose(by_affine, 1, rtol=1e-3) or np.allclose(by_affine, by_pixdim, rtol=1e-2)):
        raise DataError(
            f"{path}: voxel size {_sizes(by_pixdim)} in pixdim but {_sizes(by_affine)} in sform; write the true one"
        )
    affine[:3] *= mm
    return affine


def _sizes(values: NDArray[np.float64]) -> str:
    return " x ".join(f"{value:.4g}" for value in values)


# -- voxels ----------------------------------------------------------------------------------------


def _voxel_bytes(header: Any) -> int:
    """Return the bytes of all voxels; a Python integer, which cannot overflow."""
    count = 1
    for length in header.get_data_shape():
        count *= int(length)
    return count * int(header.get_data_dtype().itemsize)


def _voxel_file(path: Path, header: Any) -> tuple[Path, int]:
    """Return the file with the voxels, and their offset in it."""
    offset = int(header.get_data_offset())
    if header.is_single:
        return path, offset
    found = next((path.with_suffix(suffix) for suffix in _IMG_SUFFIXES if path.with_suffix(suffix).is_file()), None)
    if found is None:
        raise DataError(f"{path}: {path.stem}.img with its voxels is missing")
    return found, offset


def _check_length(path: Path, header: Any) -> None:
    """Check an uncompressed file's length; a compressed one's is known only once it is read."""
    path, offset = _voxel_file(path, header)
    if header.is_single and offset < header.single_vox_offset:
        raise DataError(f"{path}: damaged (voxels at byte {offset}, inside the header)")
    if not path.name.lower().endswith(".gz"):
        _compare_lengths(path, path.stat().st_size, offset + _voxel_bytes(header))


def _compare_lengths(path: Path, found: int, expected: int) -> None:
    if found < expected:
        raise DataError(f"{path}: damaged (truncated: {found:,} of the {expected:,} bytes that its header says)")
    if found > expected:
        raise DataError(f"{path}: has more than the {expected:,} bytes that its header says; correct dim or datatype")


def _read_all(path: Path, stream: IO[bytes], expected: int) -> bytes:
    """Read a stream to its end, where gzip verifies its checksum, without holding more than is expected."""
    blocks, found = [], 0
    while found <= expected and (block := stream.read(min(_BLOCK, expected - found + 1))):
        found += len(block)
        blocks.append(block)
    _compare_lengths(path, found, expected)
    return b"".join(blocks)


@contextmanager
def _reading(path: Path, fault: str) -> Iterator[IO[bytes]]:
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path}: empty file")
        opened: Any = gzip.open if path.name.lower().endswith(".gz") else Path.open
        with opened(path, "rb") as stream:
            yield stream
    except OSError as error:
        if error.errno is not None:
            raise DataError(unreadable(error, path)) from None
        raise DataError(f"{path}: {fault} ({first_line(error)})") from None
    except _DAMAGE as error:
        raise DataError(f"{path}: {fault} ({first_line(error)})") from None
