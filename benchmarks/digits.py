"""The digits report's time ratios, measured in one run on one machine: ``python -m benchmarks.digits``.

The compared variants take turns, on one CPU thread; ``--quick`` runs a few epochs of 50 steps. A ratio is the median
over repetitions of the ratio within each, with its minimum and maximum. The report's times are from a GPU, so its
ratios are printed for comparison only, not as targets.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks import mnist
from benchmarks.training import EpochClock, Training, prepare
from segbench.callbacks.cost import device_name
from segbench.data.base import ImageData
from segbench.models.numpy_ff import descend
from segbench.trainer import quiet_lightning

_PLAIN = ("loss=ce", "optimizer=sgd", "optimizer.momentum=0")
_FF = ("data=mnist", *_PLAIN, "optimizer.lr=0.01", "data.batch_size=30")
_CNN = (*mnist.CNN, "data.batch_size=100")
_ADAM = ("data=mnist", "model=mnist_cnn", "loss=ce", "optimizer=adam", "optimizer.lr=0.001", "data.batch_size=100")


@dataclass
class Row:
    """One row of the table.

    Attributes:
        name: Numerator and denominator of the ratio.
        ours: Seconds of the numerator, for each repetition.
        reference: Seconds of the denominator, for each repetition.
        report: The report's ratio, or None if it has none.
    """

    name: str
    ours: list[float]
    reference: list[float]
    report: float | None


def epochs(
    name: str, variants: tuple[tuple[str, ...], tuple[str, ...]], report: float, options: argparse.Namespace
) -> Row:
    """Time training epochs of two configurations through the trainer, in turns."""
    seconds: tuple[list[float], list[float]] = ([], [])
    data = None
    for turn in range(options.repetitions):
        for place, (overrides, found) in enumerate(zip(variants, seconds, strict=True)):
            clock = EpochClock()
            folder = Path(tempfile.mkdtemp(prefix=f"epoch{turn}-{place}-", dir=options.folder))
            every = (*overrides, *mnist.ALL_IMAGES, *options.limit, f"data.root={options.files}")
            training = prepare(folder, *every, data=data, also=(clock,))
            data = training.data
            training.fit()
            found.append(clock.seconds[0])
    return Row(name, *seconds, report)


def steps(name: str, pair: tuple[Callable[[], object], Callable[[], object]], options: argparse.Namespace) -> Row:
    """Time two functions that are called in turns, several times per repetition."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(options.repetitions):
        sums = [0.0, 0.0]
        for _ in range(options.calls):
            for place, function in enumerate(pair):
                begin = time.perf_counter()
                function()
                sums[place] += time.perf_counter() - begin
        for total, found in zip(sums, seconds, strict=True):
            found.append(total / options.calls)
    return Row(name, *seconds, None)


def numpy_over_torch(options: argparse.Namespace) -> list[Row]:
    """Compare the fully connected network in NumPy and in PyTorch: through the trainer, and in bare loops."""
    numpy, torch_ = ("model=mnist_ff_numpy", *_FF), ("model=mnist_ff", *_FF)
    rows = [epochs("NumPy / PyTorch: FF, batch 30, epoch through the trainer", (numpy, torch_), 289 / 22.28, options)]
    training = _prepare(options, "bare-ff", *torch_)
    tensors = mnist.tensors_of(training.data)
    network = _prepare(options, "bare-numpy", *numpy, data=training.data)
    batches = mnist.bare_batches(tensors, 30)

    def numpy_step() -> None:
        image, label = next(batches)
        _, gradients = network.task.network.loss_and_gradients(image, label)  # type: ignore[operator]  # MnistFFNumpy's
        for weight, gradient in zip(network.task.network.parameters(), gradients, strict=True):
            descend(weight.detach().numpy(), gradient, 0.01)

    torch_step = mnist.bare_step(training.task.network, tensors, 30, lr=0.01)
    return [*rows, steps("NumPy / PyTorch: FF, batch 30, step of a bare loop", (numpy_step, torch_step), options)]


def pool_order(options: argparse.Namespace) -> list[Row]:
    """Compare pooling before and after the activation: training, and prediction alone."""
    before, after = ("model.pool_first=true", *_CNN), ("model.pool_first=false", *_CNN)
    rows = [epochs("pooling before / after the ReLU: CNN, batch 100, epoch", (before, after), 135 / 202, options)]
    training = _prepare(options, "pool-after", *after)
    rival = _prepare(options, "pool-before", *before, data=training.data)
    image = mnist.tensors_of(training.data).image[:100]

    def prediction(network: torch.nn.Module) -> Callable[[], object]:
        network.eval()
        return torch.inference_mode()(lambda: network(image))

    pair = (prediction(rival.task.network), prediction(training.task.network))
    return [*rows, steps("pooling before / after the ReLU: CNN, batch 100, prediction", pair, options)]


def sgd_over_adam(options: argparse.Namespace, console: Console) -> list[Row]:
    """Compare the training time until SGD and Adam first reach SGD's final validation accuracy.

    The report compares Adam's shorter training with SGD's final accuracy. SGD itself may reach it before its end.
    Repetitions are seeds; validation is not timed.
    """
    ours, reference = [], []
    for seed in range(options.seeds):
        sgd = _validated(options, f"sgd-{seed}", options.sgd_epochs, *_CNN, f"seed={seed}")
        adam = _validated(options, f"adam-{seed}", options.adam_epochs, *_ADAM, f"seed={seed}")
        wanted = sgd.accuracy[-1]
        reached = [_first(clock.accuracy, wanted) for clock in (sgd, adam)]
        epochs_of_adam = reached[1] or f"not reached in {options.adam_epochs}, so there is no ratio"
        console.print(
            f"seed {seed}: epochs to validation accuracy {wanted:.4f}: SGD {reached[0]}, Adam {epochs_of_adam}"
        )
        if reached[1] is None:
            continue
        ours.append(sum(sgd.seconds[: reached[0]]))
        reference.append(sum(adam.seconds[: reached[1]]))
    name = f"SGD / Adam: CNN, batch 100, time to the accuracy of SGD after {options.sgd_epochs} epochs"
    return [Row(name, ours, reference, 202 / 73)] if ours else []


def _validated(options: argparse.Namespace, name: str, count: int, *overrides: str) -> EpochClock:
    clock = EpochClock()
    folder = options.folder / name
    every = (*overrides, f"trainer.max_epochs={count}", *options.limit, f"data.root={options.files}")
    prepare(folder, *every, also=(clock,)).fit()
    return clock


def _first(accuracy: list[float], wanted: float) -> int | None:
    return next((epoch for epoch, value in enumerate(accuracy, start=1) if value >= wanted), None)


def _prepare(options: argparse.Namespace, name: str, *overrides: str, data: ImageData | None = None) -> Training:
    return prepare(options.folder / name, *overrides, *mnist.ALL_IMAGES, f"data.root={options.files}", data=data)


def table_of(rows: list[Row]) -> Table:
    """Return the table of all ratios."""
    table = Table(title=f"one thread, {device_name(torch.device('cpu'))}, torch {torch.__version__}")
    for column in ("time of", "seconds", "ratio (least to largest)", "repetitions", "report"):
        table.add_column(column, justify="left" if column == "time of" else "right")
    for row in rows:
        ratios = [a / b for a, b in zip(row.ours, row.reference, strict=True)]
        seconds = f"{statistics.median(row.ours):.4g} / {statistics.median(row.reference):.4g}"
        spread = f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        table.add_row(row.name, seconds, spread, str(len(ratios)), "-" if row.report is None else f"{row.report:.2f}")
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5, help="repetitions of epochs and of rounds of calls")
    parser.add_argument("--calls", type=int, default=200, help="calls per round, for comparisons of single steps")
    parser.add_argument("--seeds", type=int, default=3, help="repetitions of SGD against Adam; 0 skips them")
    parser.add_argument("--sgd-epochs", type=int, default=60)
    parser.add_argument("--adam-epochs", type=int, default=15)
    parser.add_argument(
        "--quick", action="store_true", help="epochs of 50 steps, at most 3 repetitions, 2 seeds of 6 epochs"
    )
    options = parser.parse_args()
    options.limit = ("trainer.limit_train_batches=50",) if options.quick else ()
    if options.quick:
        options.repetitions, options.calls = min(options.repetitions, 3), min(options.calls, 50)
        options.seeds, options.sgd_epochs, options.adam_epochs = min(options.seeds, 2), 6, 6
    torch.set_num_threads(1)
    quiet_lightning()
    console = Console()
    with tempfile.TemporaryDirectory() as scratch:
        options.folder = Path(scratch)
        options.files, source = mnist.root(options.folder / "digits", os.environ.get("SEGBENCH_DATA"))
        rows = numpy_over_torch(options) + pool_order(options) + sgd_over_adam(options, console)
    console.print(table_of(rows))
    console.print(f"data: {source}")


if __name__ == "__main__":
    main()
