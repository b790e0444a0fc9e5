"""Regions: unions of the classes of a data set, nested or overlapping, that are learned instead of the classes.

As the BraTS challenge scores tumours (whole tumour, tumour core, enhancing tumour; B. Menze et al., IEEE TMI 34(10),
2015) and nnU-Net is trained on them (F. Isensee et al., nnU-Net for Brain Tumor Segmentation, BrainLes 2020).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segbench.errors import ConfigError
from segbench.labels import IGNORE_INDEX
from segbench.masks import MOST_BITS, MaskKey
from segbench.suggest import nearest


class Regions:
    """The regions of ``data.regions``.

    Args:
        regions: Class names of each region, by its name.
        stored: How to read the stored masks.

    Attributes:
        names: Names of the K regions.
        table: Bit set of regions for each value of a stored mask, uint8 (256,).

    Raises:
        ConfigError: If there are no regions or more than 7, a region is empty or has an unknown or repeated class, or
            two regions are equal.
    """

    def __init__(self, regions: Mapping[str, Sequence[str]], stored: MaskKey) -> None:
        members = {str(name): _members(str(name), classes, stored.names) for name, classes in regions.items()}
        if not 1 <= len(members) <= MOST_BITS:
            raise ConfigError(f"data.regions: {len(members)} regions; use 1 to {MOST_BITS}, or null")
        self._members = members
        self.names = tuple(members)
        self.table = np.zeros(256, np.uint8)
        self.table[IGNORE_INDEX] = IGNORE_INDEX
        known: dict[frozenset[str], str] = {}
        for bit, (name, classes) in enumerate(members.items()):
            if (same := known.setdefault(frozenset(classes), name)) != name:
                raise ConfigError(f"data.regions: {same} and {name} have the same classes; remove one")
            for label in classes:
                self.table[stored.form.values(stored.names.index(label))] |= 1 << bit

    def digest(self, data: str) -> str:
        """Return the fingerprint or the content's digest of data with these regions, from that of the data."""
        text = json.dumps([data, self._members])
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def histogram(self, stored: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of pixels of each bit set, int64 (256,), from that of each stored value."""
        found = np.zeros_like(stored)
        np.add.at(found, self.table, stored)
        return found


def _members(region: str, classes: Any, known: Sequence[str]) -> tuple[str, ...]:
    """Check the classes of a region and return them."""
    if not region.strip() or not region.isprintable():
        raise ConfigError(f"data.regions: the name {region!r} of a region cannot be printed; choose another")
    if isinstance(classes, str) or not isinstance(classes, Sequence):
        raise ConfigError(f"data.regions.{region}={classes}: must be a list of classes, for example [{known[-1]}]")
    names = tuple(map(str, classes))
    if not names:
        raise ConfigError(f"data.regions.{region}: is empty; list its classes ({', '.join(known)})")
    for name in names:
        if name not in known:
            raise ConfigError(f"data.regions.{region}: no class {name}{nearest(name, known)}")
        if names.count(name) > 1:
            raise ConfigError(f"data.regions.{region}: lists {name} twice; list it once")
    return names
