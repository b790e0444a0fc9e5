"""NIfTI-1 and NIfTI-2 volumes: a header is believed only as far as its file bears it out."""

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

# 512 x 512 x 1900; a file that claims more is refused before memory is taken for it.
MAX_VOXELS = 500_000_000
# The low three bits of xyzt_units, and how many mm the unit is; 0 is unknown.
_UNITS = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_SCANNER_FORMS = (1, 2)
# Two ways to tell one grid that differ by less, in mm, are the same, written twice.
SAME_PLACE = 1e-2
# Volume of a voxel, in the header's unit, below which an affine has lost a dimension.
_LEAST_VOXEL = 1e-18
_HEADERS = {
    b"n+1\0": Nifti1Header, b"ni1\0": Nifti1PairHeader, b"n+2\0": Nifti2Header, b"ni2\0": Nifti2PairHeader
}  # fmt: skip
# A truncated gzip stream is an EOFError or a zlib.error.
_DAMAGE = (HeaderDataError, WrapStructError, EOFError, ValueError, TypeError, OverflowError, KeyError, zlib.error)
_PARTNERS = (".img", ".img.gz", ".IMG")
_BLOCK = 1 << 22


@dataclass(frozen=True)
class Volume:
    """The header of a volume; its voxels stay on disk until they are asked for.

    Attributes:
        path: The file; of a pair the header.
        shape: Voxels along x, y and slice.
        spacing: Size of a voxel in mm along x, y and slice.
        affine: From voxel indices to mm, float64 (4,4).
        scaled: Whether stored values are multiplied or shifted (scl_slope, scl_inter).
        header: As nibabel understands it.
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
            DataError: If the file is damaged, or holds fewer or more voxels than its header tells.
        """
        path, offset = _voxels_of(self.path, self.header)
        expected = _bytes_of(self.header)
        with _reading(path, "damaged") as stream:
            content = _all_of(path, stream, offset + expected)
            found = np.asarray(ArrayProxy(io.BytesIO(content), self.header))
        return found.reshape(self.shape)


def open_volume(path: Path) -> Volume:
    """Read a volume's header, and compare it with the size of the file.

    Args:
        path: ``.nii`` or ``.nii.gz``, or the ``.hdr`` of a pair with its ``.img``.

    Raises:
        DataError: One line: unreadable, not three-dimensional, too large, or without a size, place or unit of its
            voxels that can be relied on.
    """
    with _reading(path, "not a NIfTI volume") as stream:
        header = _header(path, stream.read(540))
        shape = _shape(path, header)
        if header.get_data_dtype().kind not in "iufb":
            raise DataError(f"{path}: voxels of type {header.get_data_dtype()}; expected one number each")
        slope, inter = header.get_slope_inter()
        scaled = slope is not None and (slope, inter) != (1, 0)
        unit = _unit(path, header)
        spacing = _spacing(path, header, unit)
        affine = _affine(path, header, shape, unit)
    _check_size(path, header)
    return Volume(path, shape, spacing, affine, scaled, header)


def _header(path: Path, start: bytes) -> Any:
    """Return the header as it is written: nibabel's own checks would mend it without a word."""
    kind = _HEADERS.get(start[344:348]) or _HEADERS.get(start[4:8])
    if kind is None:
        raise DataError(f"{path}: not a NIfTI volume (its header has no magic number of NIfTI-1 or NIfTI-2)")
    length = kind.template_dtype.itemsize
    header = kind(start[:length], check=False)
    if header["pixdim"][0] == 0:
        # The standard: then it is 1.
        header["pixdim"][0] = 1
    return header


def _shape(path: Path, header: Any) -> tuple[int, int, int]:
    dimensions = int(header["dim"][0])
    shape = tuple(int(length) for length in header["dim"][1 : 1 + dimensions])
    if not 1 <= dimensions <= 7 or min(shape) < 1:
        raise DataError(f"{path}: shape {shape} in its header; every dimension must be at least 1")
    # One frame is a volume, whatever further dimensions it is said to have.
    if len(shape) < 3 or any(length > 1 for length in shape[3:]):
        raise DataError(f"{path}: {len(shape)}-D volume {shape}; expected one frame (x, y, slice)")
    if (count := shape[0] * shape[1] * shape[2]) > MAX_VOXELS:
        raise DataError(f"{path}: {count:,} voxels; at most {MAX_VOXELS:,} are read")
    return shape[0], shape[1], shape[2]


def _unit(path: Path, header: Any) -> float:
    """Return how many mm the unit of length is."""
    code = int(header["xyzt_units"]) & 7
    if code not in _UNITS:
        raise DataError(f"{path}: unit of length {code} (xyzt_units), which NIfTI does not have; write mm, 2")
    if code == 0:
        _say_once("volumes: headers that name no unit of length are taken to be in mm")
    return _UNITS[code]


@functools.cache
def _say_once(line: str) -> None:
    log.info(line)


def _spacing(path: Path, header: Any, unit: float) -> tuple[float, float, float]:
    sizes = np.asarray(header["pixdim"][1:4])
    x, y, z = (float(sizes.dtype.type(float(size) * unit)) for size in sizes)
    if not all(np.isfinite(size) and size > 0 for size in (x, y, z)):
        raise DataError(f"{path}: voxel size {(x, y, z)} mm; write the true size into the header")
    return x, y, z


def _affine(path: Path, header: Any, shape: tuple[int, int, int], unit: float) -> NDArray[np.float64]:
    """Return the affine in mm, where what the header tells of it agrees.

    The size of voxels in pixdim counts, as the standard has it. A sform of the scanner's space must have the same,
    but for one of unit voxels, which tells none (ACDC's own files have such).
    """
    affine = np.array(header.get_best_affine(), dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < _LEAST_VOXEL:
        raise DataError(f"{path}: its affine {affine[:3].round(6).tolist()} is no place in space; write the true one")
    sform, qform = int(header["sform_code"]), int(header["qform_code"])
    if sform and sform == qform:
        distance = apart(affine, header.get_qform(), shape) * unit
        if not distance <= SAME_PLACE:
            raise DataError(
                f"{path}: sform and qform put its voxels up to {distance:.3g} mm apart; set the wrong one's code to 0"
            )
    sizes, told = np.linalg.norm(affine[:3, :3], axis=0), np.asarray(header["pixdim"][1:4], np.float64)
    if sform in _SCANNER_FORMS and not (np.allclose(sizes, 1, rtol=1e-3) or np.allclose(sizes, told, rtol=1e-2)):
        raise DataError(
            f"{path}: voxels of {_numbers(told)} by pixdim and of {_numbers(sizes)} by its affine; write the true size"
        )
    affine[:3] *= unit
    return affine


def apart(one: NDArray[np.float64], other: NDArray[np.float64], shape: tuple[int, int, int]) -> float:
    """Return how far the corners of a volume lie apart by two affines, in their unit; NaN if one is not finite."""
    corners = np.array([[x, y, z, 1] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=np.float64)
    corners[:, :3] *= np.array(shape) - 1
    return float(np.abs(corners @ (one - other).T).max())


def _numbers(values: NDArray[np.float64]) -> str:
    return " x ".join(f"{value:.4g}" for value in values)


# -- voxels ----------------------------------------------------------------------------------------


def _bytes_of(header: Any) -> int:
    shape = header.get_data_shape()
    return int(np.prod([int(length) for length in shape], dtype=object)) * int(header.get_data_dtype().itemsize)


def _voxels_of(path: Path, header: Any) -> tuple[Path, int]:
    """Return the file that holds the voxels, and where in it they begin."""
    offset = int(header.get_data_offset())
    if header.is_single:
        return path, offset
    found = next((path.with_suffix(suffix) for suffix in _PARTNERS if path.with_suffix(suffix).is_file()), None)
    if found is None:
        raise DataError(f"{path}: {path.stem}.img, which holds its voxels, is not there")
    return found, offset


def _check_size(path: Path, header: Any) -> None:
    """Refuse a file that is not packed and has another size than its header tells."""
    path, offset = _voxels_of(path, header)
    if header.is_single and offset < header.single_vox_offset:
        raise DataError(f"{path}: voxels at byte {offset}, inside its header")
    if path.name.lower().endswith(".gz"):
        return
    _compare(path, path.stat().st_size, offset + _bytes_of(header))


def _compare(path: Path, found: int, expected: int) -> None:
    if found < expected:
        raise DataError(f"{path}: damaged (cut off: {found:,} bytes, but its header tells {expected:,})")
    if found > expected:
        raise DataError(
            f"{path}: holds more than the {expected:,} bytes that its header tells; mend its dim or datatype"
        )


def _all_of(path: Path, stream: IO[bytes], expected: int) -> bytes:
    """Return the whole content of a file, packed or not, of which no more than is expected is ever held."""
    blocks, found = [], 0
    while block := stream.read(min(_BLOCK, expected - found + 1)):
        found += len(block)
        if found > expected:
            break
        blocks.append(block)
    _compare(path, found, expected)
    return b"".join(blocks)


@contextmanager
def _reading(path: Path, fault: str) -> Iterator[IO[bytes]]:
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path}: empty file")
        opened: Any = gzip.open if path.name.lower().endswith(".gz") else Path.open
        with opened(path, "rb") as stream:
            yield stream
    except gzip.BadGzipFile as error:
        raise DataError(f"{path}: {fault} ({first_line(error)})") from None
    except OSError as error:
        if error.errno is not None:
            raise DataError(unreadable(error, path)) from None
        raise DataError(f"{path}: {fault} ({first_line(error)})") from None
    except _DAMAGE as error:
        raise DataError(f"{path}: {fault} ({first_line(error)})") from None
