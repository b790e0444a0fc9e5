"""What a machine can be asked for."""

import pytest

from segbench import environment
from segbench.configuration.machine import check_machine, check_memory
from segbench.errors import ConfigError


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    monkeypatch.setattr(environment, "processors", lambda: 2)
    monkeypatch.setattr(environment, "memory_bytes", lambda: 2**30)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["trainer.threads", "data.num_workers"])
def test_threads_and_workers_beyond_reason_are_refused_with_the_most(compose, key):
    check_machine(compose(f"{key}=16"))
    with pytest.raises(ConfigError, match=f"{key}=17: this machine has 2 processors; set 16 or fewer"):
        check_machine(compose(f"{key}=17"))


def test_a_batch_that_is_larger_than_the_memory_is_refused():
    # 2^20 pixels: 4 bytes for the image's channel, 2 for each of two scores: 8 MiB an image.
    check_memory((1024, 1024), images=128, channels=1, outputs=2)
    with pytest.raises(ConfigError) as refused:
        check_memory((1024, 1024), images=129, channels=1, outputs=2)
    assert str(refused.value) == (
        "data.size=[1024, 1024]: a batch of 129 images and its scores take 1.01 GiB, this machine has 1 GiB; "
        "lower data.size or data.batch_size"
    )
