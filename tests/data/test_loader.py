import os
import signal
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import Dataset

from segbench.data.loader import QuietLoader, ReplayLoader, images_per_batch
from segbench.data.phantom import PhantomData
from segbench.environment import loader_processes


class Echo(Dataset):
    """Returns what it is asked for."""

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, key):
        return key._asdict()


def batches(length, batch_size, epoch, start=0, seed=0, workers=0, steps=None):
    loader = ReplayLoader(Echo(length), batch_size, seed, lambda: (epoch, start), steps, num_workers=workers)
    return [(batch["epoch"].tolist(), batch["item"].tolist()) for batch in loader]


@given(st.integers(1, 40), st.integers(1, 10), st.integers(0, 5), st.data())
def test_going_on_in_the_middle_gives_the_rest_of_the_same_epoch(length, batch_size, epoch, data):
    whole = batches(length, batch_size, epoch)
    start = data.draw(st.integers(0, len(whole)))
    assert batches(length, batch_size, epoch, start) == whole[start:]
    assert sorted(index for _, indices in whole for index in indices) == list(range(length))
    assert all(set(epochs) == {epoch} for epochs, _ in whole)


def test_epochs_and_seeds_have_orders_of_their_own():
    assert batches(30, 4, 0) != [([0] * len(i), i) for _, i in batches(30, 4, 1)]
    assert batches(30, 4, 0, seed=0) != batches(30, 4, 0, seed=1)


@pytest.mark.slow
def test_workers_do_not_change_the_order_and_the_position_is_asked_for_late():
    expected = batches(20, 3, 2, 1)
    assert batches(20, 3, 2, 1, workers=2) == expected
    now = [0, 0]
    loader = ReplayLoader(Echo(20), 3, 0, lambda: tuple(now))
    iterator = iter(loader)
    now[:] = [2, 1]
    assert [(batch["epoch"].tolist(), batch["item"].tolist()) for batch in iterator] == expected


def test_all_images_make_one_batch_however_many_they_are():
    for length in (1, 5, 40):
        loader = ReplayLoader(Echo(length), images_per_batch("all", Echo(length)), 0, lambda: (1, 0))
        found = list(loader)
        assert len(found) == len(loader) == 1
        assert sorted(found[0]["item"].tolist()) == list(range(length))
    assert images_per_batch(3, Echo(40)) == 3


def test_the_length_is_that_of_a_whole_epoch():
    assert len(ReplayLoader(Echo(10), 4, 0, lambda: (0, 2))) == 3


@given(st.integers(1, 20), st.integers(1, 9), st.integers(1, 12), st.integers(0, 3), st.data())
def test_an_epoch_of_so_many_steps_takes_passes_one_after_the_other(length, batch_size, steps, epoch, data):
    whole = batches(length, batch_size, epoch, steps=steps)
    assert len(whole) == steps
    start = data.draw(st.integers(0, steps))
    assert batches(length, batch_size, epoch, start, steps=steps) == whole[start:]
    one_pass = batches(length, batch_size, epoch)
    if steps <= len(one_pass):
        assert whole == one_pass[:steps]
        return
    assert all(len(indices) == batch_size for _, indices in whole)
    stream = [index for _, indices in whole for index in indices]
    for number in range(0, len(stream) - length + 1, length):
        assert sorted(stream[number : number + length]) == list(range(length))
    assert stream[:length] == [index for _, indices in one_pass for index in indices]


def test_a_sample_that_comes_again_in_an_epoch_is_another_draw_and_passes_have_orders_of_their_own():
    loader = ReplayLoader(Echo(11), 4, 0, lambda: (2, 0), steps=6, stage=lambda: 1)
    found = list(loader)
    pairs = [pair for batch in found for pair in zip(batch["item"].tolist(), batch["repeat"].tolist(), strict=True)]
    assert len(set(pairs)) == len(pairs) == 24
    passes = [[index for index, repeat in pairs if repeat == number] for number in (0, 1)]
    assert sorted(passes[0]) == sorted(passes[1]) == list(range(11))
    assert passes[0] != passes[1]
    assert all(set(batch["stage"].tolist()) == {1} for batch in found)


def test_the_stage_is_asked_for_when_the_epoch_begins():
    now = [0]
    loader = ReplayLoader(Echo(4), 2, 0, lambda: (0, 0), stage=lambda: now[0])
    iterator = iter(loader)
    now[0] = 1
    assert {stage for batch in iterator for stage in batch["stage"].tolist()} == {1}
    now[0] = 2
    assert {stage for batch in loader for stage in batch["stage"].tolist()} == {2}


class Masked:
    """What a worker's signals are as it is started, before it is told anything."""

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return [signal.SIGTERM in BEGUN, signal.SIGUSR1 in BEGUN]


BEGUN = set()


def note_signals(worker):
    BEGUN.update(signal.pthread_sigmask(signal.SIG_BLOCK, ()))


def test_no_stop_signal_can_hit_a_worker_that_is_being_started():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    (found,) = QuietLoader(Masked(), batch_size=None, num_workers=1, worker_init_fn=note_signals)
    assert found == [True, True]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_as_many_processes_load_as_feed_a_gpu_and_none_where_the_processor_trains(tmp_path, monkeypatch):
    data = PhantomData(
        subjects=6, slices=1, size=[32, 32], cache_dir=tmp_path, batch_size=4, num_workers="auto", resident=False
    )
    data.setup()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    found = {}
    for device in ("cpu", "cuda"):
        data.trainer = SimpleNamespace(
            strategy=SimpleNamespace(root_device=torch.device(device)), fit_loop=None, limit_train_batches=1.0
        )
        loaders = [data.train_dataloader()._loader, data.val_dataloader(), *data.test_dataloader()]
        found[device] = {(loader.num_workers, loader.persistent_workers, loader.pin_memory) for loader in loaders}
    assert found == {"cpu": {(0, False, False)}, "cuda": {(5, True, True)}}


@pytest.mark.parametrize(("share", "expected"), [("4", 3), ("1", 1), ("", 1), ("64", 8)])
def test_a_job_of_a_sweep_loads_by_its_share_of_the_cores(monkeypatch, share, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setenv("SEGBENCH_CORES", share)
    assert loader_processes() == expected
