"""Start from trained weights: ``init_from`` and ``freeze``."""

from __future__ import annotations

import glob
import logging
from pathlib import Path

from torch import nn

from segbench.errors import CheckpointError, ConfigError
from segbench.runs.checkpoint_io import file_digest, load_checkpoint, network_weights
from segbench.runs.directory import BEST
from segbench.suggest import nearest

log = logging.getLogger("segbench")


def load_weights(network: nn.Module, init_from: str) -> None:
    """Load a network's weights from another run.

    Heads of another number of classes are left at their random start, and said so; anything else must fit.

    Args:
        network: The network to fill; its attribute ``heads`` (default: ``head``) names the parts that may be replaced.
        init_from: A run directory (its ``best.ckpt`` is taken), a checkpoint, or a pattern that matches one of either.

    Raises:
        CheckpointError: If there is no such checkpoint or it cannot be read.
        ConfigError: If several match, or the weights do not fit the network.
    """
    path = _find(init_from)
    weights = network_weights(load_checkpoint(path), f"init_from={init_from}")
    expected = network.state_dict()
    missing = sorted(expected.keys() - weights.keys()) + sorted(weights.keys() - expected.keys())
    if missing:
        raise ConfigError(
            f"init_from={init_from}: another network ({missing[0]} and {len(missing) - 1} more do not match); "
            "set model= as in that run"
        )
    different = [name for name, value in expected.items() if value.shape != weights[name].shape]
    heads = tuple(f"{head}." for head in getattr(network, "heads", ("head",)))
    outside = [name for name in different if not name.startswith(heads)]
    if outside:
        name = outside[0]
        raise ConfigError(
            f"init_from={init_from}: {name} is {tuple(weights[name].shape)} there and "
            f"{tuple(expected[name].shape)} here "
            f"({len(outside)} tensors differ); set model.width and the data's channels as in that run"
        )
    counts = {name: (weights[name].shape[0], expected[name].shape[0]) for name in different}
    for name in different:
        del weights[name]
    network.load_state_dict(weights, strict=False)
    if different:
        old, new = counts["head.weight" if "head.weight" in counts else different[-1]]
        log.info("init_from: weights of %s; head replaced, %d -> %d output channels", path, old, new)
    else:
        log.info("init_from: weights of %s", path)


def weights_digest(init_from: str) -> str:
    """Return the SHA-256 of the checkpoint that ``init_from`` names.

    Raises:
        CheckpointError: If there is no such checkpoint.
        ConfigError: If several match.
    """
    return file_digest(_find(init_from))


def freeze(network: nn.Module, part: str) -> None:
    """Exclude a part of the network from training.

    Its batch-norm statistics stay as they are too if its task knows of it (``frozen`` of
    :class:`segbench.tasks.base.Task`), which keeps it in evaluation.

    Args:
        network: The network.
        part: Name of a submodule, for example ``encoder``.

    Raises:
        ConfigError: If the network has no such part.
    """
    modules = dict(network.named_modules())
    if not part or part not in modules:
        raise ConfigError(
            f"freeze={part}: {type(network).__name__} has no such part{nearest(part, dict(network.named_children()))}"
        )
    modules[part].requires_grad_(False)
    modules[part].eval()
    frozen = sum(weight.numel() for weight in modules[part].parameters())
    log.info("freeze: %s keeps its %s parameters", part, f"{frozen:,}")


def _find(init_from: str) -> Path:
    matches = sorted(Path(match) for match in glob.glob(init_from)) or [Path(init_from)]  # noqa: PTH207 - Path.glob takes no absolute one
    if len(matches) > 1:
        raise ConfigError(
            f"init_from={init_from}: matches {len(matches)} runs ({matches[0].name}, {matches[1].name}, ...); name one"
        )
    path = matches[0]
    path = path / "checkpoints" / BEST if path.is_dir() else path
    if not path.is_file():
        raise CheckpointError(
            f"init_from={init_from}: no checkpoint there; train that run first, with rerun=true if it is done"
        )
    return path
