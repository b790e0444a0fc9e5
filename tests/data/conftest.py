import functools
import http.server
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def serve():
    """Serve a folder over HTTP for as long as a with statement lasts, which gets its address."""

    @contextmanager
    def served(folder):
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
            threading.Thread(target=running.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{running.server_port}"
            running.shutdown()

    return served


@pytest.fixture
def carvana_folder(tmp_path):
    """Six cars of two views in Carvana's real formats: JPEG photographs, palette GIF masks; 1 car = 1 group."""
    root = tmp_path / "carvana"
    (root / "train").mkdir(parents=True)
    (root / "train_masks").mkdir()
    chance = np.random.default_rng(0)
    for car in range(6):
        for view in (1, 2):
            name = f"car{car}_{view:02d}"
            mask = np.zeros((40, 60), np.uint8)
            mask[10 + car : 30, 12 : 40 + view] = 1
            image = chance.integers(0, 80, (40, 60, 3)).astype(np.uint8) + mask[..., None] * 120
            Image.fromarray(image).save(root / "train" / f"{name}.jpg", quality=95)
            palette = Image.fromarray(mask, mode="P")
            palette.putpalette([0, 0, 0, 255, 255, 255])
            palette.save(root / "train_masks" / f"{name}_mask.gif")
    return root


@pytest.fixture
def carvana(carvana_folder, tmp_path):
    """Make a data module of that folder."""
    from segbench.data.carvana import CarvanaData

    def make(**options):
        settings = {"root": str(carvana_folder), "size": [20, 30], "cache_dir": tmp_path / "cache"}
        return CarvanaData(**(settings | options))

    return make
