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
    """What ``data.regions`` says.

    Args:
        regions: Name of each region to the names of its classes.
        stored: How the data set's own masks are read.

    Attributes:
        names: The K regions.
        table: From the values of the stored masks to bit sets of the regions, uint8 (256,).

    Raises:
        ConfigError: If there are none or more than bits, one is empty, names a class twice or one that is not there, or
            two are the same.
    """

    def __init__(self, regions: Mapping[str, Sequence[str]], stored: MaskKey) -> None:
        members = {str(name): _members(str(name), classes, stored.names) for name, classes in regions.items()}
        if not 1 <= len(members) <= MOST_BITS:
            raise ConfigError(f"data.regions: {len(members)} regions; name 1 to {MOST_BITS}, or set it to null")
        self._members = members
        self.names = tuple(members)
        self.table = np.zeros(256, np.uint8)
        self.table[IGNORE_INDEX] = IGNORE_INDEX
        known: dict[frozenset[str], str] = {}
        for bit, (name, classes) in enumerate(members.items()):
            if (same := known.setdefault(frozenset(classes), name)) != name:
                raise ConfigError(f"data.regions: {same} and {name} are the same classes; leave one out")
            for label in classes:
                self.table[stored.form.values(stored.names.index(label))] |= 1 << bit

    def digest(self, fingerprint: str) -> str:
        """Return the fingerprint of these regions of data with a fingerprint: 32 hexadecimal digits."""
        text = json.dumps([fingerprint, self._members])
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def histogram(self, stored: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how often each bit set occurs, int64 (256,), from how often each stored value does."""
        found = np.zeros_like(stored)
        np.add.at(found, self.table, stored)
        return found


def _members(region: str, classes: Any, known: Sequence[str]) -> tuple[str, ...]:
    """Return the classes of a region, checked."""
    if not region.strip() or not region.isprintable():
        raise ConfigError(f"data.regions: a region is called {region!r}; give it a name")
    if isinstance(classes, str) or not isinstance(classes, Sequence):
        raise ConfigError(f"data.regions.{region}={classes}: should be a list of classes, for example [{known[-1]}]")
    names = tuple(map(str, classes))
    if not names:
        raise ConfigError(f"data.regions.{region}: is empty; name its classes ({', '.join(known)})")
    for name in names:
        if name not in known:
            raise ConfigError(f"data.regions.{region}: no class is called {name}{nearest(name, known)}")
        if names.count(name) > 1:
            raise ConfigError(f"data.regions.{region}: names {name} twice; name it once")
    return names
