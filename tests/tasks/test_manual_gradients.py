"""A network that computes its own gradients is trained, saved and resumed like any other."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
import torch

from segbench.assembly import build_data, build_task
from segbench.errors import ConfigError, DivergedError
from segbench.models.mnist_ff_numpy import MnistFFNumpy
from segbench.runs.checkpoint_io import load_checkpoint
from segbench.scores.labels import LABEL_CONVENTION
from segbench.tasks import ManualGradientsTask
from segbench.tasks.manual_gradients import NumpySGD

IMAGES = {"train": 700, "t10k": 60}


def write_idx(path, array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(side.to_bytes(4, "big") for side in array.shape)
    path.write_bytes(gzip.compress(head + array.tobytes(), compresslevel=1))


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Files like MNIST's: each class is a pattern under noise."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "mnist").mkdir()
    random = np.random.default_rng(0)
    patterns = random.uniform(0, 160, (10, 28, 28))
    for part, count in IMAGES.items():
        labels = random.integers(0, 10, count).astype(np.uint8)
        images = patterns[labels] + random.uniform(0, 95, (count, 28, 28))
        write_idx(folder / "mnist" / f"{part}-images-idx3-ubyte.gz", images.astype(np.uint8))
        write_idx(folder / "mnist" / f"{part}-labels-idx1-ubyte.gz", labels)
    return folder


@pytest.fixture
def configured(compose, digits):
    def composed(folder, *overrides, model="mnist_ff_numpy", optimizer="sgd"):
        plain = ["optimizer.momentum=0"] if optimizer == "sgd" else []
        return compose(
            *(f"optimizer={optimizer}", *plain, "~callbacks.panels", "~callbacks.predictions"),
            *("data=mnist", f"model={model}", "loss=ce", "data.val_images=100", "data.batch_size=30"),
            *("trainer.accelerator=cpu", "trainer.progress=lines", "trainer.max_epochs=2"),
            *(f"paths.data={digits}", f"paths.outputs={folder}", *overrides),
        )

    return composed


def weights_of(directory):
    return load_checkpoint(directory / "checkpoints" / "last.ckpt")["state_dict"]


def test_two_epochs_end_where_torch_s_own_do(run, configured, tmp_path):
    schedule = ("scheduler=steps", "scheduler.milestones=[1]")
    summaries = [
        run(configured(tmp_path, *schedule, model=model), tmp_path / model) for model in ("mnist_ff", "mnist_ff_numpy")
    ]
    bare, by_hand = (weights_of(tmp_path / model) for model in ("mnist_ff", "mnist_ff_numpy"))
    assert list(bare) == list(by_hand)
    for name, weight in bare.items():
        torch.testing.assert_close(by_hand[name], weight, rtol=0, atol=2e-5, msg=name)
    curves = [
        pd.read_csv(tmp_path / model / "metrics.csv").drop(columns="seconds")
        for model in ("mnist_ff", "mnist_ff_numpy")
    ]
    pd.testing.assert_frame_equal(*curves, rtol=1e-4)
    assert curves[1]["step"].tolist() == [20, 40]
    assert curves[1]["train/loss"][1] < curves[1]["train/loss"][0]
    assert summaries[0]["best"]["epoch"] == summaries[1]["best"]["epoch"]
    assert summaries[0]["cost"]["flops_per_image"] == summaries[1]["cost"]["flops_per_image"] == 218_368
    assert summaries[0]["scores"]["test"]["accuracy"] == pytest.approx(
        summaries[1]["scores"]["test"]["accuracy"], abs=0.02
    )


@pytest.mark.slow
def test_the_work_is_numpy_s(run, configured, tmp_path, monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("torch computes")

    for name in ("backward", "__matmul__"):
        monkeypatch.setattr(torch.Tensor, name, forbidden)
    monkeypatch.setattr(torch.nn.Linear, "forward", forbidden)
    monkeypatch.setattr(torch.optim.SGD, "step", forbidden)
    run(configured(tmp_path, "trainer.max_epochs=1"), tmp_path / "run")
    with pytest.raises(AssertionError, match="torch computes"):
        run(configured(tmp_path, "trainer.max_epochs=1", model="mnist_ff"), tmp_path / "other")


class Killed(BaseException):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("kill_at", [7, 20, 33])
def test_a_killed_run_goes_on_to_the_same_bits(run, configured, tmp_path, monkeypatch, kill_at):
    cfg = configured(tmp_path, "trainer.checkpoint_every_n_steps=1", "scheduler=cosine")
    run(cfg, tmp_path / "whole")
    step, steps = NumpySGD.step, []

    def dying(self, closure=None):
        steps.append(1)
        if len(steps) > kill_at:
            raise Killed
        return step(self, closure)

    with monkeypatch.context() as patch:
        patch.setattr(NumpySGD, "step", dying)
        with pytest.raises(Killed):
            run(cfg, tmp_path / "killed")
    assert load_checkpoint(tmp_path / "killed" / "checkpoints" / "last.ckpt")["global_step"] == kill_at
    run(cfg, tmp_path / "killed")
    whole, killed = (load_checkpoint(tmp_path / name / "checkpoints" / "last.ckpt") for name in ("whole", "killed"))
    for name, weight in whole["state_dict"].items():
        assert torch.equal(weight, killed["state_dict"][name]), name
    assert whole["optimizer_states"] == killed["optimizer_states"]
    rows = [
        [{key: value for key, value in row.items() if key != "seconds"} for row in state["callbacks"]["Curves"]["rows"]]
        for state in (whole, killed)
    ]
    assert rows[0] == rows[1]
    summaries = [json.loads((tmp_path / name / "summary.json").read_text()) for name in ("whole", "killed")]
    assert summaries[0]["scores"] == summaries[1]["scores"]
    assert summaries[0]["convention"] == LABEL_CONVENTION.describe()


@pytest.mark.slow
def test_frozen_weights_stay_and_a_run_of_torch_can_be_gone_on_from(run, configured, tmp_path):
    run(configured(tmp_path, "trainer.max_epochs=1", model="mnist_ff"), tmp_path / "first")
    run(configured(tmp_path, f"init_from={tmp_path / 'first'}", "freeze=body"), tmp_path / "second")
    first = load_checkpoint(tmp_path / "first" / "checkpoints" / "best.ckpt")["state_dict"]
    second = weights_of(tmp_path / "second")
    same = {name for name in first if torch.equal(first[name], second[name])}
    assert same == {name for name in first if name.startswith("network.body.")}


@pytest.mark.slow
def test_a_loss_that_diverges_is_refused_as_everywhere(run, configured, tmp_path):
    with pytest.raises(DivergedError, match="lower optimizer.lr"):
        run(configured(tmp_path, "optimizer.lr=1e6"), tmp_path / "run")


REFUSED = {
    "optimizer=adam": "optimizer: MnistFFNumpy is trained by plain SGD only; use optimizer=sgd_plain",
    "optimizer.momentum=0.9": "optimizer.momentum=0.9: MnistFFNumpy is trained by plain SGD only; use ",
    "optimizer.weight_decay=0.01": "optimizer.weight_decay=0.01: ",
    "loss=focal": "use loss=ce",
    "trainer.accelerator=gpu": "trainer.accelerator=gpu: MnistFFNumpy computes on the processor; "
    "use trainer.accelerator=cpu",
    "trainer.precision=bf16-mixed": "trainer.precision=bf16-mixed: MnistFFNumpy computes by itself, without it; "
    "use trainer.precision=32",
    "trainer.compile=true": "trainer.compile=True: MnistFFNumpy computes by itself, without it; "
    "use trainer.compile=false",
    "trainer.accumulate_grad_batches=2": "use trainer.accumulate_grad_batches=1",
    "trainer.gradient_clip_val=1": "use trainer.gradient_clip_val=null",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "override",
    [
        pytest.param(case, marks=() if case in ("optimizer=adam", "loss=focal") else pytest.mark.slow)
        for case in REFUSED
    ],
)
def test_what_it_cannot_do_is_refused_in_one_line(configured, tmp_path, override):
    if override.startswith("optimizer="):
        cfg = configured(tmp_path, optimizer=override.partition("=")[2])
    else:
        cfg = configured(tmp_path, override)
    with pytest.raises(ConfigError) as refusal:
        build_task(cfg, build_data(cfg))
    assert REFUSED[override] in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.slow
def test_a_gpu_found_by_itself_is_refused_too(configured, tmp_path, monkeypatch):
    cfg = configured(tmp_path, "trainer.accelerator=auto")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(ConfigError, match="^trainer.accelerator=auto: .*; use trainer.accelerator=cpu$"):
        build_task(cfg, build_data(cfg))


@pytest.mark.slow
def test_other_networks_are_trained_by_torch(configured, tmp_path):
    cfg = configured(tmp_path)
    assert type(build_task(cfg, build_data(cfg))) is ManualGradientsTask
    assert isinstance(build_task(cfg, build_data(cfg)).network, MnistFFNumpy)
    cfg = configured(tmp_path, "trainer.precision=bf16-mixed", model="mnist_ff")
    assert type(build_task(cfg, build_data(cfg))) is not ManualGradientsTask
