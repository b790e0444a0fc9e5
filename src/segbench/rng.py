"""Random numbers without hidden state: every seed is a function of the run's seed, a purpose and counters.

Because no random state is carried from one step to the next, any number of workers draws the same numbers, no random
state needs to be saved, and a resumed run equals an uninterrupted one.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Derive an independent seed for one purpose.

    Args:
        seed: The run's seed.
        *purpose: What the numbers are for, then the counters that distinguish its uses, for example
            ``("augment", epoch, index)``.

    Returns:
        An integer in [0, 2**63), equal on every machine and Python version (BLAKE2b of the arguments).
    """
    text = "/".join(str(part) for part in (seed, *purpose))
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """Return a NumPy generator seeded by :func:`derive_seed` (Philox: counter-based, equal on all platforms)."""
    # Not above: what only reads the configuration needs no numbers.
    import numpy as np

    return np.random.Generator(np.random.Philox(derive_seed(seed, *purpose)))
