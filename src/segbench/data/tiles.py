"""Checks of the option that cuts images into tiles."""

from __future__ import annotations

import re
from typing import Any

from segbench.errors import ConfigError


def parse_tiles(tiles: str | None) -> tuple[int, int]:
    """Return rows and columns of ``data.tiles``: (2, 3) for ``2x3``, (1, 1) for None.

    Raises:
        ConfigError: If it is in another format.
    """
    if tiles is None:
        return 1, 1
    found = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", str(tiles))
    if found is None:
        raise ConfigError(f"data.tiles={tiles}: write rows x columns, for example 2x2; null leaves images whole")
    return int(found[1]), int(found[2])


def check_tiles(tiles: tuple[int, int], images: Any) -> None:
    """Check that images can be cut into equal tiles.

    Args:
        tiles: Rows and columns.
        images: The images, each (H,W,C).

    Raises:
        ConfigError: If a size cannot be cut evenly.
    """
    if tiles == (1, 1):
        return
    for height, width in {image.shape[:2] for image in images}:
        if height % tiles[0] or width % tiles[1]:
            raise ConfigError(
                f"data.tiles={tiles[0]}x{tiles[1]}: images of {height}x{width} (height x width) cannot be cut evenly; "
                "set data.size to a multiple"
            )
