"""Pictures of a scored split in one file: a run's predictions, and beside the runs the images with their truth.

A zip of PNG (class indices, small images) and JPEG (other images) with an ``about.json``: anything can open it, one
picture is read without the others, and it is small. It lies in ``outputs/`` with the runs, which is never committed, so
that a report made long after, without the data set, can still show what the networks saw.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segbench.runs.bounded import LISTS, parse_json
from segbench.runs.files import atomic_open
from segbench.runs.unfolding import open_picture, open_zip, read_member

PREDICTIONS = "predictions.zip"
ABOUT = "about.json"
# Quality of images: they are looked at, not trained on.
EXACT = ".image.png"
OBJECTS = ".objects.png"
MOST_OBJECTS = 65535
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 90]
# The same bytes for the same pictures, whenever they are written.
LONG_AGO = (1980, 1, 1, 0, 0, 0)


def images_name(split: str, fingerprint: str, ids: Iterable[str]) -> str:
    """Return the name of the file that holds a split's images, beside the runs that were scored on them.

    Runs of one data set may have splits of their own, for each seed say: the images are part of the name.
    """
    members = hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()
    return f"images-{split}-{fingerprint[:8]}-{members[:8]}.zip"


class ArchiveWriter:
    """Gathers pictures, compressed one by one, until they are too many.

    Args:
        limit: Most bytes; with more, nothing is kept at all, as half a split would hide its worst image.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.full = False
        self.ids: list[str] = []
        self._parts: list[tuple[str, bytes]] = []
        self._size = 0

    def add(
        self,
        name: str,
        mask: NDArray[Any] | None,
        image: NDArray[Any] | None = None,
        exact: bool = False,
        objects: NDArray[Any] | None = None,
    ) -> None:
        """Add one picture.

        Args:
            name: The image's id.
            mask: Class indices (H,W), below 256; None where an image has a label, which stands with the scores.
            image: uint8 (H,W,1) or (H,W,3), if it is to be kept too.
            exact: Whether to keep the image as it is: small ones show what JPEG makes of edges.
            objects: Which object each pixel of the mask belongs to (H,W), 0 for none, if that is known; kept are 1, 2,
                ... in the order of the labels, and of more than 65,535 objects none.
        """
        if self.full:
            return
        if mask is not None:
            self._put(f"{len(self.ids)}.png", mask.astype(np.uint8), [])
        if image is not None:
            kind, options = (EXACT, []) if exact else (".jpg", JPEG)
            self._put(f"{len(self.ids)}{kind}", image[..., ::-1] if image.shape[2] == 3 else image, options)
        if objects is not None:
            labels, numbered = np.unique(np.append(objects.ravel(), 0), return_inverse=True)
            if labels[0] == 0 and len(labels) - 1 <= MOST_OBJECTS:
                self._put(f"{len(self.ids)}{OBJECTS}", numbered[:-1].reshape(objects.shape).astype(np.uint16), [])
        self._close(name)

    def _close(self, name: str, further: int = 0) -> None:
        """Count an image whose parts are there, and give up all if they are too many bytes."""
        self.ids.append(name)
        self._size += further
        if self._size > self.limit:
            self.full = True
            self._parts.clear()

    @classmethod
    def joined(cls, writers: Sequence[ArchiveWriter], order: Iterable[str]) -> ArchiveWriter:
        """Return what several have gathered of one split, as one would have done.

        Args:
            writers: At least one, of the same limit and of different images.
            order: The images' ids, in the order of the split; of ids that none has, nothing is there.
        """
        result = cls(writers[0].limit)
        result.full = any(writer.full for writer in writers)
        found = dict[str, list[tuple[str, bytes]]]()
        for writer in writers:
            for number, data in writer._parts:
                place, _, kind = number.partition(".")
                found.setdefault(writer.ids[int(place)], []).append((kind, data))
        for name in order:
            if name in found and not result.full:
                result._parts += [(f"{len(result.ids)}.{kind}", data) for kind, data in found[name]]
                result._close(name, sum(len(data) for _, data in found[name]))
        return result

    def write(self, path: Path, **about: Any) -> bool:
        """Write the file; return whether there was anything to write."""
        if self.full or not self.ids:
            return False
        listed = json.dumps(about | {"ids": self.ids}).encode()
        with atomic_open(path) as stream, zipfile.ZipFile(stream, "w") as archive:
            for name, data in [(ABOUT, listed), *self._parts]:
                archive.writestr(zipfile.ZipInfo(name, LONG_AGO), data)
        return True

    def _put(self, name: str, picture: NDArray[Any], options: list[int]) -> None:
        fine, data = cv2.imencode(Path(name).suffix, np.ascontiguousarray(picture), options)
        if not fine:
            raise ValueError(f"{name}: cannot be encoded")
        self._parts.append((name, data.tobytes()))
        self._size += len(self._parts[-1][1])


@dataclass(frozen=True)
class Archive:
    """A file that :class:`ArchiveWriter` wrote.

    Attributes:
        path: The file.
        split: The split of the pictures.
        ids: Ids of the images, in the order of the pictures.
        kind: How the names of the images end.
        root: The folder out of which no link is followed.
    """

    path: Path
    split: str
    ids: tuple[str, ...]
    kind: str = ".jpg"
    root: Path | None = None

    @classmethod
    def open(cls, path: Path, root: Path | None = None) -> Archive | None:
        """Return the archive; None where there is none or it is damaged.

        Args:
            path: The file.
            root: As in :func:`segbench.runs.bounded.open_file`.
        """
        try:
            with open_zip(path, root) as stream:
                about, names = parse_json(read_member(stream, ABOUT, LISTS)), stream.namelist()
                ids = tuple(map(str, about["ids"]))
                return cls(path, str(about["split"]), ids, EXACT if f"0{EXACT}" in names else ".jpg", root)
        except (OSError, ValueError):
            return None

    def mask(self, name: str) -> NDArray[np.uint8]:
        """Return the class indices (H,W) of an image.

        Raises:
            ValueError: If the archive lacks it, or it is damaged.
        """
        return self._read(name, ".png")

    def image(self, name: str) -> NDArray[np.uint8]:
        """Return an image, uint8 (H,W) or (H,W,3).

        Raises:
            ValueError: If the archive lacks it, or it is damaged.
        """
        found = self._read(name, self.kind)
        return found[..., ::-1] if found.ndim == 3 else found

    def objects(self, name: str) -> NDArray[np.int32] | None:
        """Return which object each pixel of an image's mask belongs to (H,W), 0 for none; None where it is not told.

        Raises:
            ValueError: If the archive lacks the image, or it is damaged.
        """
        if name in self.ids and f"{self.ids.index(name)}{OBJECTS}" not in self._names():
            return None
        return self._read(name, OBJECTS).astype(np.int32)

    def _names(self) -> list[str]:
        try:
            with open_zip(self.path, self.root) as stream:
                return stream.namelist()
        except (OSError, ValueError) as error:
            raise ValueError(f"{self.path.name}: it is damaged") from error

    def _read(self, name: str, kind: str) -> NDArray[Any]:
        try:
            with open_zip(self.path, self.root) as stream:
                data = read_member(stream, f"{self.ids.index(name)}{kind}")
            with open_picture(data):
                picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        except (OSError, ValueError) as error:
            raise ValueError(f"{self.path.name}: no picture of {name}") from error
        if picture is None:
            raise ValueError(f"{self.path.name}: the picture of {name} is damaged")
        return np.asarray(picture)


@dataclass(frozen=True)
class JoinedArchive:
    """Several archives of one split as one, such as those of the folds of a cross-validation.

    Attributes:
        members: The archives, at least one.
    """

    members: tuple[Archive, ...]

    @property
    def split(self) -> str:
        """The split of the pictures."""
        return self.members[0].split

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the images."""
        return tuple(name for member in self.members for name in member.ids)

    def mask(self, name: str) -> NDArray[np.uint8]:
        """Return the class indices (H,W) of an image; raises as :meth:`Archive.mask` does."""
        return self._of(name).mask(name)

    def image(self, name: str) -> NDArray[np.uint8]:
        """Return an image, uint8 (H,W) or (H,W,3); raises as :meth:`Archive.image` does."""
        return self._of(name).image(name)

    def objects(self, name: str) -> NDArray[np.int32] | None:
        """Return the objects of an image's mask (H,W); raises as :meth:`Archive.objects` does."""
        return self._of(name).objects(name)

    def _of(self, name: str) -> Archive:
        return next((member for member in self.members if name in member.ids), self.members[0])


Kept = Archive | JoinedArchive
