"""Strict reading of NIfTI volumes: anything ambiguous is an error."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from segbench.data.intensity import scale_by_percentiles
from segbench.errors import DataError
from segbench.words import first_line

# Tolerance in mm within which the grids of an image and its label are the same.
_SAME_PLACE = 1e-2


@dataclass(frozen=True)
class Volume:
    """The header of a volume; its voxels stay on disk until requested.

    Attributes:
        path: The file.
        shape: Voxels along x, y and slice.
        spacing: Size of a voxel in mm along x, y and slice.
        affine: From voxel indices to mm, float64 (4,4).
    """

    path: Path
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    affine: NDArray[np.float64]

    def voxels(self) -> NDArray[Any]:
        """Return all voxels (X,Y,Z) with the header's scaling applied.

        Raises:
            DataError: If the file is damaged.
        """
        image: Any = _load(self.path)
        try:
            return np.asarray(image.dataobj)
        except _DAMAGE as error:
            raise DataError(f"{self.path}: damaged ({first_line(error)})") from None


# A truncated gzip stream is an EOFError or a zlib.error, a truncated plain file an OSError or a ValueError.
_DAMAGE = (ImageFileError, HeaderDataError, EOFError, OSError, ValueError, OverflowError, MemoryError, zlib.error)


def open_volume(path: Path) -> Volume:
    """Read a volume's header.

    Args:
        path: A ``.nii`` or ``.nii.gz`` file.

    Raises:
        DataError: If it is unreadable, not three-dimensional, or has no valid voxel size.
    """
    image: Any = _load(path)
    if image.get_data_dtype().kind not in "iufb":
        raise DataError(f"{path}: voxels of type {image.get_data_dtype()}; expected one number per voxel")
    if len(image.shape) != 3:
        raise DataError(f"{path}: {len(image.shape)}-D volume {image.shape}; expected one frame (x, y, slice)")
    x, y, z = (float(size) for size in image.header.get_zooms())
    spacing = (x, y, z)
    if not all(np.isfinite(size) and size > 0 for size in spacing):
        raise DataError(f"{path}: voxel size {spacing} mm; write the true size into the header")
    return Volume(path, image.shape, spacing, np.asarray(image.affine, dtype=np.float64))


def check_same_grid(image: Volume, label: Volume) -> None:
    """Check that a label volume is on its image's grid.

    Raises:
        DataError: If it is not; gives both shapes, or the distance between the grids.
    """
    if image.shape != label.shape:
        raise DataError(f"{label.path}: shape {label.shape}, but its image has {image.shape}")
    corners = np.array([[x, y, z, 1] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=np.float64)
    corners[:, :3] *= np.array(image.shape) - 1
    apart = float(np.abs(corners @ (image.affine - label.affine).T).max())
    if not apart <= _SAME_PLACE:
        raise DataError(f"{label.path}: its affine puts it up to {apart:.3g} mm away from its image")


def normalised(volume: Volume, percentiles: tuple[float, float]) -> NDArray[np.float32]:
    """Return a volume's intensities scaled so that two of their percentiles become 0 and 1; values outside are clipped.

    Args:
        volume: The image.
        percentiles: The percentiles that become 0 and 1, in percent.

    Returns:
        float32 (X,Y,Z).

    Raises:
        DataError: If voxels are not finite, or the two percentiles are equal.
    """
    voxels = volume.voxels().astype(np.float32)
    if not np.isfinite(voxels).all():
        count = int((~np.isfinite(voxels)).sum())
        raise DataError(f"{volume.path}: {count} voxels are not finite (NaN or infinity)")
    return scale_by_percentiles(voxels, percentiles, volume.path)


def labels(volume: Volume) -> NDArray[np.int64]:
    """Return a label volume's values.

    Returns:
        int64 (X,Y,Z); the caller checks whether they are labels of the data set.

    Raises:
        DataError: If a value is not an integer.
    """
    voxels = volume.voxels()
    if voxels.dtype.kind == "f" and not (np.isfinite(voxels) & (voxels == np.round(voxels))).all():
        raise DataError(f"{volume.path}: labels are not integers (resampled with interpolation?)")
    return voxels.astype(np.int64)


def encode_labels(mask: NDArray[np.integer[Any]], like: Volume, compressed: bool) -> bytes:
    """Return a label volume as the bytes of a NIfTI file, on the grid of another volume.

    Args:
        mask: Class indices (X,Y,Z), stored as uint8.
        like: The volume whose affine and voxel size are used.
        compressed: Whether to compress it, for a ``.nii.gz``.
    """
    image: Any = nib.Nifti1Image(mask.astype(np.uint8), like.affine)
    image.header.set_zooms(like.spacing)
    image.header.set_xyzt_units("mm")
    content = image.to_bytes()
    # Without a timestamp, so that equal masks are equal files.
    return gzip.compress(content, mtime=0) if compressed else content


def _load(path: Path) -> Any:
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path}: empty file")
        return nib.load(path)
    except _DAMAGE as error:
        raise DataError(f"{path}: not a NIfTI volume ({first_line(error)})") from None
