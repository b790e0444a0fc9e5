"""Where scores vary: seed, group of images, and the rest, by the method of moments in a crossed layout.

C[s,g] = mean + seed s + group g + rest (which networks are good at which images, apart from both). Mean squares of a
two-way layout without replicates estimate the three variances (S. R. Searle et al., Variance Components, 1992).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from segbench.scores.arithmetic import Floats


@dataclass(frozen=True)
class Components:
    """Variances by source, in squared units of the score, 0 or more."""

    seed: float
    image: float
    rest: float

    @property
    def shares(self) -> dict[str, float]:
        """Return each source's share, adding up to 1; empty where nothing varies."""
        total = self.seed + self.image + self.rest
        return {key: value / total for key, value in vars(self).items()} if total > 0 else {}


def components(tables: Iterable[Floats]) -> Components | None:
    """Return the variances, the mean over several layouts.

    Single estimates may be negative; the mean is taken before it is clipped at 0, which else would push it up.

    Args:
        tables: float64 (S,G) each, of any sizes; those with one seed, one group or gaps are left out.

    Returns:
        The variances, or None where no layout is left.
    """
    found = [_moments(table) for table in tables if min(table.shape) > 1 and bool(np.isfinite(table).all())]
    return Components(*(float(value) for value in np.maximum(np.mean(found, axis=0), 0))) if found else None


def _moments(table: Floats) -> tuple[float, float, float]:
    seeds, groups = table.shape
    by_seed, by_group = table.mean(axis=1), table.mean(axis=0)
    rest = table - by_seed[:, None] - by_group + table.mean()
    within = float((rest**2).sum()) / ((seeds - 1) * (groups - 1))
    return by_seed.var(ddof=1) - within / groups, by_group.var(ddof=1) - within / seeds, within
