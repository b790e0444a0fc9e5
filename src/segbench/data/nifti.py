"""What data sets take of NIfTI volumes: grids that agree, intensities and labels."""

from __future__ import annotations

import gzip
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from segbench.data.formats.volume_file import SAME_PLACE, Volume, apart
from segbench.data.intensity import stretched
from segbench.errors import DataError

# Labels that a scaling of float32 numbers gives are whole to this.
_WHOLE = 1e-6


def check_same_grid(image: Volume, label: Volume) -> None:
    """Refuse a label that does not lie on its image.

    Raises:
        DataError: One line with both shapes, or with how far the grids lie apart.
    """
    if image.shape != label.shape:
        raise DataError(f"{label.path}: shape {label.shape}, but its image has {image.shape}")
    distance = apart(image.affine, label.affine, image.shape)
    if not distance <= SAME_PLACE:
        raise DataError(f"{label.path}: its affine puts it up to {distance:.3g} mm away from its image")


def normalised(volume: Volume, percentiles: tuple[float, float]) -> NDArray[np.float32]:
    """Return a volume's intensities between two of its percentiles as 0 to 1; what lies outside is clipped.

    Args:
        volume: The image.
        percentiles: Which become 0 and 1, in percent.

    Returns:
        float32 (X,Y,Z).

    Raises:
        DataError: If voxels are not finite, or so many are equal that there is no range to scale.
    """
    voxels = volume.voxels().astype(np.float32)
    if not np.isfinite(voxels).all():
        count = int((~np.isfinite(voxels)).sum())
        raise DataError(f"{volume.path}: {count} voxels are not finite (NaN or infinity)")
    return stretched(voxels, percentiles, volume.path)


def labels(volume: Volume) -> NDArray[np.int64]:
    """Return a label volume's values.

    Returns:
        int64 (X,Y,Z); whether they are labels of the data set is for the caller to say.

    Raises:
        DataError: If a value is no whole number.
    """
    voxels = volume.voxels()
    if voxels.dtype.kind == "f":
        whole = np.round(voxels)
        least = _WHOLE if volume.scaled else 0
        if not (np.isfinite(voxels) & (abs(voxels - whole) <= least) & (abs(voxels) < 2**53)).all():
            why = (
                "their scaling, scl_slope and scl_inter, makes none"
                if volume.scaled
                else "resampled with interpolation?"
            )
            raise DataError(f"{volume.path}: labels that are no whole numbers ({why})")
        voxels = whole
    elif voxels.dtype == np.uint64 and voxels.max() > np.iinfo(np.int64).max:
        raise DataError(f"{volume.path}: a label of {voxels.max()}, which no class has")
    return voxels.astype(np.int64)


def encode_labels(mask: NDArray[np.integer[Any]], like: Volume, compressed: bool) -> bytes:
    """Return a label volume as the bytes of a NIfTI file, on the grid of another.

    Args:
        mask: Class indices (X,Y,Z), stored as uint8.
        like: Whose affine and voxel size it keeps.
        compressed: Whether it is a ``.nii.gz``.
    """
    image: Any = nib.Nifti1Image(mask.astype(np.uint8), like.affine)
    image.header.set_zooms(like.spacing)
    image.header.set_xyzt_units("mm")
    content = image.to_bytes()
    # Without the time of day: equal masks are equal files.
    return gzip.compress(content, mtime=0) if compressed else content
