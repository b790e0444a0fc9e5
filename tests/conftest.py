import os
from pathlib import Path

import pytest
import torch

os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("WANDB_SILENT", "true")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
# Tests compare bits and run beside each other: one thread each.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets, from SEGBENCH_DATA. CI has it; elsewhere tests that need it are skipped."""
    folder = os.environ.get("SEGBENCH_DATA")
    if folder and Path(folder).is_dir():
        return Path(folder).resolve()
    if os.environ.get("CI"):
        pytest.fail("SEGBENCH_DATA does not name the folder of real data")
    pytest.skip("set SEGBENCH_DATA to the folder of real data sets")


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).resolve().parent.parent
