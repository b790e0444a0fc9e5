"""On a graphics card that is only pretended: nothing is mixed, nothing waited for, nothing added in an order of its own."""

from functools import partial
from itertools import cycle

import pytest
import torch
from benchmarks.gpu.networks import NETWORKS, every_loss, is_classifier, small_network
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.loggers.logger import DummyLogger
from tests.pretended import CountWaits, pretended_card
from torch.utils.data import DataLoader

from segbench.callbacks import CostMeter, Curves
from segbench.errors import DivergedError
from segbench.losses import DiceLoss
from segbench.models.upconvolution import as_defined
from segbench.runs.checkpoint_io import load_checkpoint
from segbench.tasks import ClassificationTask, MultilabelTask, SegmentationTask
from segbench.trainer import build_trainer

# Task, channels of the logits, names of the classes.
KINDS = {
    "softmax": (SegmentationTask, 3, "abc"),
    "sigmoid": (SegmentationTask, 1, "ab"),
    "multilabel": (MultilabelTask, 2, "ab"),
    "classification": (ClassificationTask, 3, "abc"),
}
# What a network does hangs on no task, and what a task and its losses do on no network: so each network is trained for one
# task, the tasks in turn, and two networks for each. The last of them has a head of its own for the classes present.
IN_EVERY_TASK = ("unet", "unet3plus")


def combinations():
    """Return each network with the kinds that it is trained for."""
    turn = cycle(kind for kind in KINDS if kind != "classification")
    for network in NETWORKS:
        if is_classifier(network):
            yield network, "classification"
        elif network in IN_EVERY_TASK:
            yield from ((network, kind) for kind in KINDS if kind != "classification")
        else:
            yield network, next(turn)


SIZE = (30, 27)  # is padded


def built(network, kind):
    """Return a task that trains a network by every loss that fits."""
    task, outputs, classes = KINDS[kind]
    joint = 1 if kind == "multilabel" else outputs
    loss = every_loss(task.losses, joint, len(classes))
    module = small_network(network, outputs, presence=kind != "multilabel")
    return task(module, loss, partial(torch.optim.SGD, lr=0.1), None, classes, seed=3)


def batches(kind, count, images=2):
    """Return batches of random images, a part of their labels ignored."""
    task, outputs, classes = KINDS[kind]
    chance = torch.Generator().manual_seed(1)
    made = []
    for number in range(count):
        size = (28, 28) if kind == "classification" else SIZE
        batch = {
            "image": torch.rand(images, 1, *size, generator=chance),
            "id": [f"{number}-{i}" for i in range(images)],
        }
        if kind == "classification":
            batch["label"] = torch.randint(0, 3, (images,), generator=chance)
        else:
            shape = (images, *((outputs,) if kind == "multilabel" else ()), *size)
            mask = torch.randint(0, 2 if kind == "multilabel" else len(classes), shape, generator=chance)
            batch["mask"] = mask.masked_fill(torch.rand(shape, generator=chance) < 0.1, 255)
            batch["weight"] = torch.rand(images, *size, generator=chance)
        made.append(batch)
    return made


def fit(tiny, folder, task, kind, *overrides):
    """Train three steps and validate two batches, in Lightning's loops with our callbacks; return what was waited for."""
    cfg = tiny(folder, "trainer.accelerator=cuda", "trainer.max_epochs=1", "trainer.log_every_n_steps=1", *overrides)
    extra = [CostMeter(), Curves(folder / "metrics.csv", 1), CountWaits(), Checkpoint()]
    trainer = build_trainer(cfg, [DummyLogger()], extra)
    loaders = [DataLoader(batches(kind, count), batch_size=None) for count in (3, 2)]
    trainer.fit(task, *loaders)
    assert len(CountWaits.steps) == 2
    assert len(CountWaits.validated) == 1
    return CountWaits.steps, CountWaits.validated


@pytest.mark.slow
@pytest.mark.parametrize(("network", "kind"), combinations())
def test_nothing_is_waited_for_and_nothing_inexact(tiny, tmp_path, network, kind):
    if network == "smp":
        pytest.importorskip("segmentation_models_pytorch")
    task = built(network, kind)
    with pretended_card() as card:
        steps, validated = fit(tiny, tmp_path, task, kind)
    assert not sum(map(len, steps)), steps
    assert all(sum(waits.values()) <= 1 for waits in validated), validated
    assert not card.inexact


def test_a_step_is_neither_waited_for_nor_inexact(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("tests.test_pretended_card.SIZE", (16, 16))
    with pretended_card() as card:
        steps, validated = fit(tiny, tmp_path, built("unet", "multilabel"), "multilabel")
    assert not sum(map(len, steps)), steps
    assert all(sum(waits.values()) <= 1 for waits in validated), validated
    assert not card.inexact


WAITS = "+callbacks.waits._target_=tests.pretended.CountWaits"
# What a run's other parts do to its steps.
RUNS = {
    "as it is": ["model=attunet"],
    "channels last, steps over several batches, clipped": [
        "trainer.channels_last=true",
        "trainer.accumulate_grad_batches=2",
        "trainer.gradient_clip_val=1",
    ],
    "augmented image by image, by stages, and predicted by windows": [
        "augmentation=cells_curriculum",
        "augmentation.stages.elastic.monitor=val/dice",
        "augmentation.stages.elastic.threshold=1e-9",
        "predict.window=[16,16]",
        "loss=ce_dice",
        "scheduler=plateau",
    ],
    "classes that overlap, mirrored": [
        "data.regions={heart: [right ventricle, myocardium, left ventricle], wall: [myocardium]}",
        "loss=bce_dice",
        "predict.tta=flips",
        "trainer.early_stopping=2",
        "callbacks=ema",
        "scheduler=one_cycle",
    ],
}


def waited_only_between_steps():
    assert len(CountWaits.steps) >= 3
    assert not sum(map(len, CountWaits.steps)), CountWaits.steps
    assert all(sum(waits.values()) <= 1 for waits in CountWaits.validated), CountWaits.validated


@pytest.mark.slow
@pytest.mark.parametrize("overrides", RUNS.values(), ids=RUNS)
def test_a_whole_run_has_the_bits_of_the_processor_s_and_waits_in_no_step(run, tiny, tmp_path, overrides):
    overrides = [*overrides, WAITS, "trainer.log_every_n_steps=1"]
    with pretended_card():
        on_card = run(tiny(tmp_path, *overrides, "trainer.accelerator=cuda"), tmp_path / "card")
    waited_only_between_steps()
    # Two forms that only a processor has, with bits of their own.
    with as_defined():
        at_home = run(tiny(tmp_path, *overrides, "+optimizer.fused=false"), tmp_path / "home")
    assert on_card["scores"] == at_home["scores"]
    states = [load_checkpoint(tmp_path / name / "checkpoints" / "last.ckpt")["state_dict"] for name in ("card", "home")]
    assert all(torch.equal(weight, states[1][name]) for name, weight in states[0].items())
    assert (tmp_path / "card" / "metrics.csv").read_text().count("\n") == 4


@pytest.mark.slow
def test_a_run_in_bfloat16_waits_in_no_step(run, tiny, tmp_path):
    with pretended_card():
        run(tiny(tmp_path, "trainer.precision=bf16-mixed", "trainer.accelerator=cuda", WAITS), tmp_path / "card")
    waited_only_between_steps()


@pytest.mark.slow
def test_a_loss_that_is_known_late_still_names_its_step_and_spoils_no_checkpoint(run, tiny, tmp_path, monkeypatch):
    compute, calls = DiceLoss.compute, []

    def poisoned(self, logits, target, weight):
        calls.append(torch.is_grad_enabled())
        return compute(self, logits, target, weight) * (float("nan") if sum(calls) == 6 else 1)

    monkeypatch.setattr(DiceLoss, "compute", poisoned)
    with (
        pretended_card(),
        pytest.raises(DivergedError, match=r"^loss is nan at step 5 \(epoch 1\), learning rate 0.001"),
    ):
        run(tiny(tmp_path, "trainer.accelerator=cuda", WAITS), tmp_path / "run")
    assert sum(calls) == 7  # the next step had begun
    last = load_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")
    assert all(torch.isfinite(value).all() for value in last["state_dict"].values())
    assert last["global_step"] == 4


def test_the_card_refuses_mixtures_and_counts_what_is_waited_for():
    with pretended_card() as card:
        x = torch.arange(4.0, device="cuda")
        with pytest.raises(RuntimeError, match="same device"):
            x + torch.ones(4)
        assert (x.device.type, (x * 2).is_cuda, card.waits.total()) == ("cuda", True, 0)
        y = torch.ones(4).to("cuda", non_blocking=True)
        assert torch.equal((x @ y).to("cpu", non_blocking=True), torch.tensor(6.0))
        assert card.waits.total() == 0
        for number, wait in enumerate(
            (lambda: x.sum().item(), lambda: x[x > 1], lambda: bool(x[0] > 1), lambda: x.tolist())
        ):
            wait()
            assert card.waits.total() == number + 1
        x.requires_grad_()
        torch.nn.functional.interpolate(x.view(1, 1, 2, 2), size=(4, 4), mode="bicubic").sum().backward()
        assert card.inexact == {"aten.upsample_bicubic2d_backward.default": 1}
