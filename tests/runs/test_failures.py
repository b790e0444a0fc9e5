"""What the system and torch say, as refusals."""

import errno
import os

import numpy as np
import pytest
import torch

from segbench.errors import ConfigError, DataError
from segbench.runs.failures import as_refusal


@pytest.mark.parametrize("allocate", [torch.empty, lambda size: np.empty(size, np.uint8)])
def test_memory_used_up_is_a_refusal_that_names_what_to_lower(tmp_path, allocate):
    with pytest.raises((RuntimeError, MemoryError)) as raised:
        allocate(2**56)
    refusal = as_refusal(raised.value, tmp_path)
    assert isinstance(refusal, ConfigError)
    assert str(refusal) == "out of memory; lower data.batch_size, data.size or model.width"


def test_an_error_of_ours_stays_what_it_is(tmp_path):
    error = RuntimeError("shapes differ")
    assert as_refusal(error, tmp_path) is error


def test_a_worker_that_was_killed_is_named_even_where_a_file_was_being_written(tmp_path):
    killed = RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")
    try:
        raise OSError("cannot write last.ckpt: DataLoader worker (pid 7) is killed by signal") from killed
    except OSError as error:
        found = [as_refusal(killed, tmp_path), as_refusal(error, tmp_path)]
    for refusal in found:
        assert isinstance(refusal, DataError)
        assert refusal.exit_code == 3
        assert str(refusal).startswith("data.num_workers: DataLoader worker (pid 7) is killed by signal: Killed.")
        assert str(refusal).endswith("try data.num_workers=0")


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE), "image.png"), "ulimit -n"),
        (RuntimeError("Too many open files. Communication with the workers is no longer possible."), "ulimit -n"),
        (BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)), "ulimit -u"),
    ],
)
def test_limits_of_the_shell_are_named_with_how_to_raise_them(tmp_path, error, remedy):
    refusal = as_refusal(error, tmp_path)
    assert isinstance(refusal, ConfigError)
    assert remedy in str(refusal)
    assert "data.num_workers" in str(refusal)


def test_memory_that_resizing_lacks_is_memory_used_up(tmp_path):
    import cv2

    with pytest.raises(cv2.error) as raised:
        cv2.resize(np.zeros((8, 8, 3), np.uint8), (2**20, 2**20))
    assert str(as_refusal(raised.value, tmp_path)).startswith("out of memory")
