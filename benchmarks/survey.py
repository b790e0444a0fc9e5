"""Times the survey of a data set: ``python -m benchmarks.survey`` (``--images``, ``--side``).

It writes generated photographs with masks, reads them with data=folder into the cache, looks at them, and prints time
by the clock, time of the processor and memory. No training step is measured. Two sizes of the set tell what an image
costs: imports and the page do not depend on it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from hydra import compose, initialize_config_dir

from segbench.configuration.choices import CONF
from segbench.configuration.resolvers import register
from segbench.survey.look import survey
from segbench.survey.page import write_page

# Different files; the others have their own noise, so that none is a copy.
_SCENES = 20


def generate(root: Path, images: int, side: int) -> None:
    """Write RGB photographs of discs on a ground of noise as JPEG, with masks as PNG.

    Args:
        root: The folder to create.
        images: How many.
        side: Their height and width.
    """
    chance = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for number in range(images):
        mask = np.zeros((side, side), np.uint8)
        for _ in range(_SCENES):
            centre = tuple(int(value) for value in chance.integers(0, side, 2))
            cv2.circle(mask, centre, int(chance.integers(side // 40, side // 12)), 255, -1)
        ground = cv2.resize(chance.normal(0, 12, (16, 16, 3)), (side, side), interpolation=cv2.INTER_CUBIC)
        image = 110 + ground + (mask[..., None] > 0) * np.array([40, 50, 20]) + chance.normal(0, 6, (side, side, 1))
        cv2.imwrite(str(root / "images" / f"{number:05d}.jpg"), np.clip(image, 0, 255).astype(np.uint8))
        cv2.imwrite(str(root / "masks" / f"{number:05d}.png"), mask)


def own_memory() -> float:
    """Return the memory in GiB that is no map of the cache's files, which the system takes back when needed."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 2**20


def main() -> None:
    """Generate, survey twice (without and with the cache), and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--side", type=int, default=512)
    options = parser.parse_args()
    register()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "set"
        generate(root, options.images, options.side)
        overrides = ["data=folder", f"data.root={root}", f"paths.cache={scratch}/cache"]
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg = compose("config", overrides)
        for what in ("files not yet in the cache", "files in the cache"):
            clock, processor = time.perf_counter(), time.process_time()
            found = survey(cfg, {"data": "folder"}, steps=0)
            write_page(found, Path(scratch) / "page", "set", "")
            clock, processor = time.perf_counter() - clock, time.process_time() - processor
            print(
                f"{options.images} images of {options.side}x{options.side}, {what}: {clock:.1f} s, {processor:.1f} s of"
                f" the processor ({1000 * processor / options.images:.1f} ms an image), {own_memory():.2f} GiB"
                f" of its own, {len(found.findings)} findings"
            )


if __name__ == "__main__":
    main()
