"""Training speed on the card: segbench against a bare loop and the loop that is commonly copied."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir
from pytorch_lightning.callbacks import Checkpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu.peak import allow_tf32, measure_peak, rate
from benchmarks.gpu.record import Failure, Record, first_line
from benchmarks.steps import copied_step
from segbench.callbacks import CostMeter, Curves
from segbench.configuration.choices import CONF
from segbench.configuration.resolvers import register
from segbench.losses import BinaryCrossEntropy
from segbench.models import AttentionUNet, R2UNet, SegNetASPP, UNet
from segbench.tasks import SegmentationTask
from segbench.trainer import build_trainer, compile_network, prepare_card, quiet_lightning

_SECONDS = 1.0


class Setting(NamedTuple):
    """How a network computes: its precision, memory, and whether it is compiled."""

    precision: str
    channels_last: bool = False
    compiled: bool = False

    @property
    def words(self) -> str:
        """In words, for a table."""
        more = [" channels_last"] * self.channels_last + [" compiled"] * self.compiled
        return self.precision + "".join(more)

    @property
    def overrides(self) -> list[str]:
        """Those of segbench."""
        kept = [f"trainer.precision={'bf16-mixed' if self.precision == 'bf16' else 32}"]
        kept += ["trainer.tf32=true"] if self.precision == "tf32" else []
        return [*kept, f"trainer.channels_last={self.channels_last}", f"trainer.compile={self.compiled}"]


SETTINGS = (
    Setting("bf16", channels_last=True),
    Setting("fp32"),
    Setting("tf32"),
    Setting("bf16"),
    Setting("tf32", channels_last=True),
)
NETWORKS = {"U-Net": UNet, "AttU-Net": AttentionUNet, "R2U-Net": R2UNet, "SegNet-ASPP": SegNetASPP}
# Side of the images and images per batch.
SIZES = ((224, 16), (512, 4))


def measure_speed(record: Record) -> None:
    """Add a row for each network, size and setting, the most telling first, until the time is over."""
    register()
    logging.getLogger("segbench").setLevel(logging.WARNING)
    quiet_lightning()
    peak = measure_peak(record)
    cases = [(size, network, setting) for size in SIZES for setting in SETTINGS for network in NETWORKS]
    cases += [(SIZES[0], network, Setting("bf16", True, True)) for network in ("U-Net", "AttU-Net")]
    for (side, images), network, setting in cases[:: 7 if record.smoke else 1]:
        if record.left <= 2 * _SECONDS:
            record.add(stopped="no time left", before=f"{network} {side} {setting.words}")
            return
        side, images = (32, 2) if record.smoke else (side, images)
        record.add(**_row(record, network, side, images, setting, peak))
        gc.collect()
        if record.device.type == "cuda":
            torch.cuda.empty_cache()


def _row(record: Record, name: str, side: int, images: int, setting: Setting, peak: dict[str, float]) -> dict[str, Any]:
    row: dict[str, Any] = {"network": name, "side": side, "batch": images, "setting": setting.words}
    width = 4 if record.smoke else 64
    chance = torch.Generator().manual_seed(0)
    image = torch.randn(images, 3, side, side, generator=chance).to(record.device)
    mask = torch.randint(0, 2, (images, side, side), generator=chance).to(record.device)
    loops: dict[str, Callable[[], float]] = {
        "segbench": lambda: _segbench(record, NETWORKS[name](3, 1, width=width), image, mask, setting),
        "bare": lambda: images * rate(_bare(NETWORKS[name](3, 1, width=width), image, mask, setting), record, _SECONDS),
    }
    if setting == Setting("fp32"):
        loops["copied"] = lambda: (
            images * rate(copied_step(NETWORKS[name](3, 1, width=width), image, mask), record, _SECONDS)
        )
    for loop, measure in loops.items():
        allow_tf32(setting.precision == "tf32" or loop == "copied")  # torch's default, for convolutions
        try:
            row[f"{loop}_images_per_second"] = round(measure(), 2)
        except Failure as error:
            row[f"{loop}_failed"] = first_line(error)
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.deterministic = False
    if "segbench_images_per_second" in row:
        operations = row["segbench_images_per_second"] * _operations(NETWORKS[name], width, side)
        row["share_of_peak"] = round(operations / peak[setting.precision], 4)
    return row


def _operations(network: Callable[..., nn.Module], width: int, side: int) -> int:
    """Return the operations of an image's forward and backward pass."""
    with torch.device("meta"):
        module, image = network(3, 1, width=width), torch.empty(2, 3, side, side)
    with FlopCounterMode(display=False) as counter:
        module(image).sum().backward()
    return counter.get_total_flops() // 2


def _segbench(record: Record, network: nn.Module, image: Tensor, mask: Tensor, setting: Setting) -> float:
    """Return images per second of Lightning's loop with segbench's callbacks, on batches that lie on the card."""
    overrides = [*setting.overrides, f"trainer.accelerator={'cpu' if record.smoke else 'gpu'}", "trainer.max_epochs=1"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", [*overrides, "trainer.progress=lines"])
    prepare_card(cfg)
    task = SegmentationTask(
        network,
        BinaryCrossEntropy(),
        partial(torch.optim.Adam, lr=1e-3),
        None,
        ["background", "object"],
        channels_last=setting.channels_last,
    )
    compile_network(task.network, cfg)
    clock = _Rate(record)
    folder = record.folder / "speed"
    folder.mkdir(exist_ok=True)
    trainer = build_trainer(cfg, [], [CostMeter(), Curves(folder / "metrics.csv"), Checkpoint(), clock])
    batch = {"image": image, "mask": mask, "id": [str(number) for number in range(len(image))]}
    batches: Any = [batch] * 100_000
    trainer.fit(task, DataLoader(batches, batch_size=None))
    return clock.steps_per_second * len(image)


class _Rate(pl.Callback):
    """Stops training when its speed is known."""

    def __init__(self, record: Record, warm_up: int = 5) -> None:
        self._record, self._seconds, self._warm_up = record, 0.01 if record.smoke else _SECONDS, warm_up
        self._steps, self._began = 0, 0.0
        self.steps_per_second = 0.0

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Look at the clock every few steps, when the card has done what it was given."""
        self._steps += 1
        if self._steps % self._warm_up:
            return
        self._record.synchronize()
        if self._steps == self._warm_up:
            self._began = time.perf_counter()
            return
        elapsed = time.perf_counter() - self._began
        if elapsed >= self._seconds:
            self.steps_per_second = (self._steps - self._warm_up) / elapsed
            trainer.should_stop = True


def _bare(network: nn.Module, image: Tensor, mask: Tensor, setting: Setting) -> Callable[[], None]:
    """Return a step of a plain loop that waits for nothing."""
    layout = torch.channels_last if setting.channels_last else torch.contiguous_format
    network = network.to(image.device, memory_format=layout).train()  # type: ignore[call-overload]  # missing from torch's annotations
    image = image.contiguous(memory_format=layout)
    if setting.compiled:
        network.compile()
    loss, optimizer = BinaryCrossEntropy(), torch.optim.Adam(network.parameters(), lr=1e-3)

    def step() -> None:
        with torch.autocast(image.device.type, torch.bfloat16, enabled=setting.precision == "bf16"):
            value = loss(network(image), mask)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    return step
