"""What the system and torch say, as refusals."""

import numpy as np
import pytest
import torch

from segbench.errors import ConfigError
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
