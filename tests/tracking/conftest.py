"""What the tests of dashboards share."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image


@pytest.fixture
def offline(monkeypatch):
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", "/nonexistent")
    monkeypatch.setenv("HOME", "/nonexistent-home")


@pytest.fixture
def comparison(tmp_path):
    """Title, answer, table and figures of a comparison."""
    picture = tmp_path / "curves.png"
    Image.fromarray(np.full((4, 6, 3), 200, np.uint8)).save(picture)
    table = pd.DataFrame({"model": ["unet", "<b>attunet</b>"], "dice": [0.9, 0.8]})
    return "exp", "unet scores above attunet", table, [("learning curves", picture)]
