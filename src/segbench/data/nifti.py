"""What data sets take from NIfTI volumes: matching grids, intensities and labels."""

from __future__ import annotations

import gzip
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from segbench.data.formats.volume_file import SAME_PLACE, Volume, distance_between
from segbench.data.intensity import scale_by_percentiles
from segbench.errors import DataError

# How far from an integer a label may be after scaling by float32 numbers.
_ROUNDING = 1e-6


def check_same_grid(image: Volume, label: Volume) -> None:
    """Check that a label volume is on its image's grid.

    Raises:
        DataError: If it is not; gives both shapes, or the distance between the grids.
    """
    if image.shape != label.shape:
        raise DataError(f"{label.path}: shape {label.shape}, but its image has {image.shape}")
    distance = distance_between(image.affine, label.affine, image.shape)
    if not distance <= SAME_PLACE:
        raise DataError(f"{label.path}: its affine puts it up to {distance:.3g} mm away from its image")


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
    return scale_by_percentiles(finite(volume), percentiles, volume.path)


def finite(volume: Volume) -> NDArray[np.float32]:
    """Return a volume's intensities, float32 (X,Y,Z).

    Raises:
        DataError: If voxels are not finite.
    """
    with np.errstate(over="ignore"):
        # What a float32 cannot hold becomes infinite and is refused below.
        voxels = volume.voxels().astype(np.float32)
    if count := int((~np.isfinite(voxels)).sum()):
        raise DataError(f"{volume.path}: {count} voxels are not finite (NaN or infinity)")
    return voxels


def labels(volume: Volume) -> NDArray[np.int64]:
    """Return a label volume's values.

    Returns:
        int64 (X,Y,Z); the caller checks whether they are labels of the data set.

    Raises:
        DataError: If a value is not an integer.
    """
    voxels = volume.voxels()
    if voxels.dtype.kind == "f":
        integers = np.round(voxels)
        tolerance = _ROUNDING if volume.scaled else 0
        with np.errstate(invalid="ignore"):
            good = (abs(voxels - integers) <= tolerance) & (abs(voxels) < 2**53)
        if not good.all():
            why = "after scaling by scl_slope and scl_inter" if volume.scaled else "resampled with interpolation?"
            raise DataError(f"{volume.path}: labels are not integers ({why})")
        voxels = integers
    elif voxels.dtype == np.uint64 and voxels.max() > np.iinfo(np.int64).max:
        raise DataError(f"{volume.path}: label {voxels.max()} is too large")
    return voxels.astype(np.int64)


def encode_like(values: NDArray[Any], like: Volume) -> bytes:
    """Return a volume as the bytes of a ``.nii.gz`` file, on the grid of another volume.

    Args:
        values: (X,Y,Z), or several values a voxel (X,Y,Z,N); stored in their type.
        like: The volume whose affine and voxel size are used.
    """
    image: Any = nib.Nifti1Image(values, like.affine)
    image.header.set_zooms((*like.spacing, *[1.0] * (values.ndim - 3)))
    image.header.set_xyzt_units("mm")
    # Without a timestamp, so that equal masks are equal files.
    return gzip.compress(image.to_bytes(), mtime=0)
