"""Which files are predicted, and what their results are called: a folder's tree is kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segbench.data.file_names import entries, mask_names, walk
from segbench.data.pictures import is_picture, unread
from segbench.errors import DataError
from segbench.suggest import closest

# The folders of results.
KINDS = ("masks", "objects", "probabilities", "overlays")
_READ = "PNG, JPEG, GIF, BMP, TIFF, WebP, NIfTI"


@dataclass(frozen=True)
class Files:
    """The files to predict.

    Attributes:
        names: Each file with the path of its results below the folder of their kind, without suffix.
        faults: A line for each file that cannot be predicted.
        ignored: How many files are no images (or are labels).
    """

    names: dict[Path, Path]
    faults: list[str]
    ignored: int = 0


def find_files(images: Path, out: Path, endings: Sequence[str]) -> Files:
    """Return an image, or the images in a folder and in the folders below.

    Hidden files and what file managers leave behind are passed over; links are followed, not in circles.

    Args:
        images: An image or volume, or a folder of them.
        out: Where results go: an earlier command's, below ``images``, are no images.
        endings: What may follow a file's name in those of its masks, before their suffix.

    Raises:
        DataError: If there is nothing to predict.
    """
    if images.is_file():
        names, faults = mask_names([images], endings)
        return Files({path: Path(name) for path, name in names.items()}, faults)
    if not images.is_dir():
        near = closest(images.name, [path.name for path in entries(images.parent)] if images.parent.is_dir() else [])
        hint = f"; did you mean {images.parent / near}?" if near else ""
        raise DataError(f"images={images}: no such file or folder{hint}")
    results = _results_below(images, out)
    found = [path for path in walk(images) if not any(map(path.parent.resolve().is_relative_to, results))]
    named = [path for path in found if is_picture(path)]
    files = [path for path in named if path.is_file()]
    faults = [f"{path}: not a file (a broken link, a pipe or a device)" for path in named if not path.is_file()]
    faults += [fault for path in found if (fault := unread(path))]
    if not files:
        raise DataError("\n".join([f"images={images}: no images there ({_READ})", *faults]))
    ignored = len(found) - len(files) - len(faults)
    folders = defaultdict[Path, list[Path]](list)
    for path in files:
        folders[path.parent].append(path)
    placed = dict[Path, Path]()
    for folder, members in folders.items():
        chosen, shared = mask_names(members, endings)
        placed |= {path: folder.relative_to(images) / name for path, name in chosen.items()}
        faults += shared
    return Files(placed, faults, ignored)


def _results_below(images: Path, out: Path) -> list[Path]:
    """Return the folders of results that are not asked for by ``images`` itself."""
    top = images.resolve()
    return [folder for kind in KINDS if not top.is_relative_to(folder := out.resolve() / kind)]
