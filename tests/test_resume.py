"""A killed run goes on to the same bits as one that was not."""

import itertools
import logging
import multiprocessing
import os
import random
import resource
import shutil
import signal
from pathlib import Path

import pytest
import torch

import segbench.data.base
import segbench.models.unet
from segbench.data.loader import ReplayLoader
from segbench.runs.checkpoint_io import load_checkpoint, newest_good
from segbench.runs.files import read_json

FORK = multiprocessing.get_context("fork")
OVERRIDES = (
    "augmentation=light",
    "trainer.checkpoint_every_n_steps=1",
    "trainer.accumulate_grad_batches=2",
    # Stepped with the optimiser.
    "scheduler=cosine_restarts",
    "scheduler.warmup=0.5",
    "trainer.max_epochs=5",
)

CHANCE = random.Random(0)
# When runs are killed, as shares of the CPU time that they take; before the first third there is nothing to go on from.
MOMENTS = [CHANCE.uniform(0.4, 0.97) for _ in range(12)]


def _child(run, cfg, directory: Path, cpu_seconds: float) -> None:
    os.setsid()
    # Its signal ends a process at once, as SIGKILL does; of a time of 0 there is none.
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    logging.disable(logging.CRITICAL)
    run(cfg, directory)


@pytest.fixture(scope="module")
def start(run):
    """Start a run in a process of its own, to be killed when it has computed for so long."""

    def started(cfg, directory: Path, cpu_seconds: float = 0):
        process = FORK.Process(target=_child, args=(run, cfg, directory, cpu_seconds))
        process.start()
        return process

    return started


@pytest.fixture(scope="module")
def finish(start):
    """Start a run and wait for its good end."""

    def finished(cfg, directory: Path) -> None:
        process = start(cfg, directory)
        process.join()
        assert process.exitcode == 0, (directory / "status.json").read_text()

    return finished


def _computed() -> float:
    """The CPU time of all processes that have ended: unlike a clock's, about the same on a busy machine."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture(scope="module")
def start_and_save(start):
    """Start a run and return as soon as there is something to go on from; again if it had ended by then."""

    def started(cfg, directory: Path):
        while True:
            process = start(cfg, directory)
            while process.exitcode is None and newest_good(directory / "checkpoints")[0] is None:
                process.join(0.02)
            if process.exitcode is None:
                return process
            assert process.exitcode == 0, (directory / "status.json").read_text()
            shutil.rmtree(directory)

    return started


def final_state(directory: Path):
    """Everything that training leaves behind: weights, batch-norm statistics, optimiser, schedule, best and last."""
    last = load_checkpoint(directory / "checkpoints" / "last.ckpt")
    best = load_checkpoint(directory / "checkpoints" / "best.ckpt")
    rows = [
        {key: value for key, value in row.items() if key != "seconds"} for row in last["callbacks"]["Curves"]["rows"]
    ]
    return last["state_dict"], best["state_dict"], last["optimizer_states"], last["lr_schedulers"], rows


def same(a, b) -> bool:
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b


@pytest.fixture(scope="module", autouse=True)
def dropout():
    """Give the network something random in every step, so that a forgotten seed shows."""
    forward = segbench.models.unet.UNet.forward
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            segbench.models.unet.UNet,
            "forward",
            lambda self, image: forward(self, torch.nn.functional.dropout(image, 0.2, self.training)),
        )
        yield


@pytest.fixture(scope="module")
def reference(tiny, tmp_path_factory, finish):
    """A configuration, and what it ends with when nothing stops it."""
    folder = tmp_path_factory.mktemp("reference")
    cfg = tiny(folder, *OVERRIDES)
    finish(cfg, folder / "whole")
    return cfg, final_state(folder / "whole")


@pytest.fixture(scope="module")
def seconds(reference, tmp_path_factory, finish):
    """How long the run computes; that of ``reference`` also imported and built the cache."""
    begin = _computed()
    finish(reference[0], tmp_path_factory.mktemp("again") / "run")
    return _computed() - begin


@pytest.fixture(scope="module")
def kill_and_resume(start, finish):
    """Kill a run that has computed for a while, go on, and say whether there was something to go on from."""

    def resumed(cfg, directory: Path, cpu_seconds: float) -> bool:
        process = start(cfg, directory, cpu_seconds)
        process.join()
        assert process.exitcode in (0, -signal.SIGPROF)
        had_something = process.exitcode != 0 and newest_good(directory / "checkpoints")[0] is not None
        finish(cfg, directory)
        return had_something

    return resumed


@pytest.fixture
def kill_at_batch(start):
    """Start a run that kills itself when it is about to train with its n-th batch, and wait for its end."""

    def killed(cfg, directory: Path, number: int) -> None:
        forward, trained = segbench.models.unet.UNet.forward, itertools.count(1)

        def counted(self, image):
            if self.training and next(trained) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return forward(self, image)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(segbench.models.unet.UNet, "forward", counted)
            process = start(cfg, directory)
        process.join()
        assert process.exitcode == -signal.SIGKILL

    return killed


def test_a_killed_run_ends_with_the_same_bits(reference, tmp_path, kill_at_batch, finish):
    cfg, expected = reference
    kill_at_batch(cfg, tmp_path / "killed", 10)
    assert newest_good(tmp_path / "killed" / "checkpoints")[0] is not None
    finish(cfg, tmp_path / "killed")
    assert same(final_state(tmp_path / "killed"), expected)


@pytest.mark.slow
def test_runs_killed_at_any_moment_end_with_the_same_bits(reference, seconds, tmp_path, kill_and_resume):
    cfg, expected = reference
    resumes = 0
    for moment in MOMENTS:
        directory = tmp_path / f"killed{moment}"
        resumes += kill_and_resume(cfg, directory, moment * seconds)
        assert same(final_state(directory), expected), f"killed after {moment:.2f} of its time"
    # Most of the kills must have hit a run that had something to lose.
    assert 2 * resumes >= len(MOMENTS)


COPIES = ("augmentation=quarter_turns", "augmentation.transforms=[{_target_: albumentations.HorizontalFlip, p: 0.5}]")
REGIONS = "data.regions={heart: [right ventricle, myocardium, left ventricle], muscle: [myocardium]}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param((*COPIES, "data.batch_size=5"), id="copies"),
        pytest.param((*COPIES, "data.batch_size=all"), id="copies at once"),
        pytest.param((REGIONS, "loss=bce_dice"), id="regions"),
    ],
)
def test_copies_and_regions_come_again_too(tiny, tmp_path, start_and_save, finish, overrides):
    cfg = tiny(tmp_path, *OVERRIDES, "trainer.max_epochs=8", *overrides)
    finish(cfg, tmp_path / "whole")
    # The first moment at which there is something to go on from is enough.
    process = start_and_save(cfg, tmp_path / "killed")
    process.kill()
    process.join()
    finish(cfg, tmp_path / "killed")
    assert same(final_state(tmp_path / "killed"), final_state(tmp_path / "whole"))


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["order", "step"])
def test_the_comparison_notices_what_a_resume_forgets(reference, tmp_path, monkeypatch, kill_at_batch, finish, broken):
    cfg, expected = reference
    if broken == "order":
        begin = ReplayLoader.__init__

        def from_the_start(self, dataset, batch_size, seed, position, **options):
            begin(self, dataset, batch_size, seed, lambda: (position()[0], 0), **options)

        monkeypatch.setattr(ReplayLoader, "__init__", from_the_start)
    else:
        monkeypatch.setattr(segbench.tasks.segmentation.SegmentationTask, "on_train_batch_start", lambda *_: None)
    # An epoch's first batches come in their order even so: some other one shows what was forgotten.
    for number in range(6, 14):
        directory = tmp_path / f"broken{number}"
        kill_at_batch(cfg, directory, number)
        finish(cfg, directory)
        if not same(final_state(directory), expected):
            return
    pytest.fail("no difference seen: the test cannot fail")


@pytest.mark.slow
def test_a_seed_gives_the_same_bits_with_any_number_of_workers(tiny, tmp_path, finish):
    states = {}
    for workers in (0, 2):
        cfg = tiny(tmp_path, "augmentation=light", f"data.num_workers={workers}", "trainer.max_epochs=2")
        finish(cfg, tmp_path / f"workers{workers}")
        states[workers] = final_state(tmp_path / f"workers{workers}")
    finish(tiny(tmp_path, "augmentation=light", "trainer.max_epochs=2"), tmp_path / "again")
    assert same(states[0], states[2])
    assert same(states[0], final_state(tmp_path / "again"))
    finish(tiny(tmp_path, "augmentation=light", "trainer.max_epochs=2", "seed=1"), tmp_path / "other")
    assert not same(states[0], final_state(tmp_path / "other"))


def stop(start_and_save, cfg, directory, send) -> str:
    """Start a run, send a signal once it has saved something, and return how it ended."""
    process = start_and_save(cfg, directory)
    send(process.pid)
    process.join()
    assert process.exitcode == 1  # multiprocessing's code for an exception: the exit code is in the file
    status = read_json(directory / "status.json")
    assert status["state"] == "failed"
    return f"{status['exit_code']} {status['reason']}"


STOPPING = [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU]


@pytest.mark.slow
@pytest.mark.parametrize("number", STOPPING)
def test_a_stop_signal_saves_and_a_restart_goes_on(reference, tmp_path, start_and_save, finish, number):
    cfg, expected = reference
    said = stop(start_and_save, cfg, tmp_path / "run", lambda process: os.kill(process, number))
    assert said == f"{128 + number} stopped by {number.name}; run the same command again to resume"
    # Nothing of what was done is lost: the state is that of the last step.
    rows = load_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")["loops"]["fit_loop"]
    assert rows["epoch_loop.batch_progress"]["total"]["ready"] > 0
    finish(cfg, tmp_path / "run")
    assert same(final_state(tmp_path / "run"), expected)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_workers_outlast_a_signal_to_the_whole_group(tiny, tmp_path, start_and_save, finish, number):
    """Schedulers and terminals signal every process: the run needs its workers to finish the step."""
    settings = ("augmentation=light", "data.num_workers=2", "trainer.max_epochs=4")
    cfg = tiny(tmp_path, *OVERRIDES, *settings)
    finish(cfg, tmp_path / "whole")
    # A worker that is being started, and not yet ours, dies of the signal: the run then ends otherwise, and goes on too.
    for attempt in range(4):
        said = stop(start_and_save, cfg, tmp_path / f"run{attempt}", lambda process: os.killpg(process, number))
        if said.startswith(f"{128 + number} "):
            break
    assert said.startswith(f"{128 + number} ")
    finish(cfg, tmp_path / f"run{attempt}")
    assert same(final_state(tmp_path / f"run{attempt}"), final_state(tmp_path / "whole"))


@pytest.mark.slow
def test_workers_of_a_killed_run_do_not_keep_it_busy(tiny, tmp_path, start_and_save, finish):
    cfg = tiny(tmp_path, *OVERRIDES, "augmentation=light", "data.num_workers=2", "trainer.max_epochs=9")
    process = start_and_save(cfg, tmp_path / "run")
    process.kill()
    process.join()
    finish(cfg, tmp_path / "run")
