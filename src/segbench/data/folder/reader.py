"""One's own files as they are stored: images of the common size, and their targets."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segbench.data.cache import Pair
from segbench.data.folder.facts import Facts
from segbench.data.folder.inspection import ReadMasks, Seen, fitting
from segbench.data.folder.samples import Sample
from segbench.data.formats.mask_file import MaskFile
from segbench.data.pages import read_pages, with_channels
from segbench.data.plane import Plane


class SampleReader:
    """Reads samples page by page; each file once for all its pages.

    Args:
        facts: What is known of all of them.
        read_masks: Reads the masks of a mask file.
    """

    def __init__(self, facts: Facts, read_masks: ReadMasks) -> None:
        self._facts, self._read_masks = facts, read_masks
        self._image_pages = lru_cache(maxsize=1)(self._read_images)
        self._mask_pages = lru_cache(maxsize=8)(read_masks)

    def pair(self, sample: Sample, seen: Seen, page: int) -> Pair:
        """Return an image (h,w,C) and its target uint8 (h,w), as they are stored.

        Raises:
            DataError: If a file is unusable.
        """
        plane = self.plane(seen)
        image = self._image_pages(sample.image, seen.pages)[page]
        return plane.image(image), self._facts.form.target(self._masks(sample, seen, page), plane)

    def instances(self, sample: Sample, seen: Seen, page: int) -> NDArray[np.uint16] | None:
        """Return the object number of every pixel (h,w), 0 for none; None if masks do not number objects."""
        if not self._facts.form.numbered:
            return None
        return self._facts.form.instances(self._masks(sample, seen, page), self.plane(seen))

    def truth(self, sample: Sample, seen: Seen) -> NDArray[np.uint8]:
        """Return the targets of all pages of a file at its own size, uint8 (Z,H,W)."""
        own = (seen.size[0], seen.size[1])
        plane = Plane(own, own, own)
        return np.stack([self._facts.form.target(self._masks(sample, seen, page), plane) for page in range(seen.pages)])

    def plane(self, seen: Seen) -> Plane:
        """Return how images of a file come to the common size."""
        spacing = None if seen.spacing is None else (seen.spacing[1], seen.spacing[2])
        return self._facts.fit.plane((seen.size[0], seen.size[1]), spacing)

    def _read_images(self, path: Path, pages: int) -> NDArray[Any]:
        return read_images(path, self._facts, pages)

    def _masks(self, sample: Sample, seen: Seen, page: int) -> list[MaskFile]:
        size = (seen.size[0], seen.size[1])
        return [self._mask_pages(path, sample.image, size)[page] for path in sample.masks]


def read_images(path: Path, facts: Facts, pages: int = 1) -> NDArray[Any]:
    """Return the images of a file (Z,H,W,C) as they are stored, at their own size.

    Args:
        path: The file.
        facts: Channels and intensities.
        pages: How many images it has; a stack of which one is expected has them as channels.

    Raises:
        DataError: If the file is unusable.
    """
    found = fitting(read_pages(path), pages)
    return facts.intensity.apply(with_channels(found, facts.channels), path)
