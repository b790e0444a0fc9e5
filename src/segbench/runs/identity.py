"""What makes two runs the same run: a hash of everything in the configuration that can change the result."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from segbench.environment import native_precision
from segbench.targets import find_class

# Below ``augmentation``, names under these keys are in the order in which things are done.
IN_ORDER = ("transforms", "stages")
# Where files lie and come from, what is printed or logged, and on which device a run happens do not make another run.
IRRELEVANT = (
    "hydra",
    "paths",
    "logger",
    "comparison",
    "tuning",
    "scores",
    "rerun",
    "debug",
    "data.root",
    "data.num_workers",
    "data.resident",
    "data.on_duplicates",
    "data.url",
    "data.checksum",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.strategy",
    "trainer.rendezvous_minutes",
    "trainer.threads",
    "trainer.progress",
    "trainer.log_every_n_steps",
    "trainer.checkpoint_minutes",
    "trainer.checkpoint_every_n_steps",
)
# Options that came later, and what there was before them.
LATER = {
    "data.folds": None,
    "data.fold": None,
    "data.oversample": None,
    "model.side_weights": None,
    "predict.tta": None,
    "predict.ensemble": None,
    "trainer.tf32": None,
    "trainer.cudnn_benchmark": None,
    "trainer.sync_batchnorm": True,
}
# A whole number here is a count and any other a share: 1 is one batch, 1.0 all of them.
COUNT_OR_SHARE = ("trainer.limit_train_batches",)
HASH_LENGTH = 10


def unchanging(cfg: DictConfig) -> list[str]:
    """Return the callbacks that cannot change the result, as dotted keys; imports their classes, and with them torch.

    A class says so by ``changes_result = False``, itself: what it inherits says nothing of what it adds. One that does
    not, of another library say, may change it.
    """
    found = cfg.get("callbacks") or {}
    keys = {f"callbacks.{name}": component for name, component in found.items()}
    return [key for key, component in keys.items() if not _changes_result(key, component)]


def _changes_result(key: str, component: Any) -> bool:
    try:
        cls = find_class(key, component["_target_"])
    except Exception:
        # What has no class, or one that cannot be imported, is refused with its reason before anything is trained.
        return True
    return changes_result(cls)


def changes_result(cls: type) -> bool:
    """Say whether a callback of a class can change the result; only what the class says itself counts."""
    return bool(vars(cls).get("changes_result", True))


def settled(cfg: DictConfig) -> DictConfig:
    """Return a copy of the configuration with the precision that ``trainer.precision=auto`` finds on this machine.

    It changes results, so it is part of the identity: where another is found, the same command is another run. Hydra's
    own node, much of what there is to copy, is the same one in both and not to be written to.
    """
    own = cfg.get("hydra")
    cfg = copy.deepcopy(cfg, {id(own): own} if own is not None else {})
    if OmegaConf.select(cfg, "trainer.precision") == "auto":
        OmegaConf.set_readonly(cfg, False)
        cfg.trainer.precision = native_precision(cfg.trainer.accelerator).value
    return cfg


def relevant(cfg: DictConfig) -> dict[str, Any]:
    """Return the resolved configuration, as plain types, without what cannot change the result.

    That is :data:`IRRELEVANT` keys, :func:`unchanging` callbacks, and :data:`LATER` keys that are as they were before.

    ``paths`` is set to constants before interpolations are resolved, so a value that is built from it
    (``init_from``, for example) does not depend on where the files lie. A precision that is found by the machine
    counts as the one that is found (:func:`settled`).
    """
    cfg = settled(cfg)
    OmegaConf.set_readonly(cfg, False)
    with open_dict(cfg):
        if "paths" in cfg:
            cfg.paths = {key: f"<{key}>" for key in cfg.paths}
        if isinstance(cfg.get("data"), DictConfig):
            # The name may be made of data.root, which goes below.
            OmegaConf.resolve(cfg.data)
        for dotted in (*_irrelevant(cfg), *unchanging(cfg)):
            parent, _, leaf = dotted.rpartition(".")
            node = OmegaConf.select(cfg, parent) if parent else cfg
            if dotted != "paths" and isinstance(node, DictConfig) and leaf in node:
                node.pop(leaf)
        for dotted, before in LATER.items():
            parent, _, leaf = dotted.partition(".")
            if isinstance(cfg.get(parent), DictConfig) and cfg[parent].get(leaf, 0) is before:
                cfg[parent].pop(leaf)
    resolved = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(resolved, dict)
    resolved.pop("paths", None)
    return {str(key): value for key, value in resolved.items()}


def _irrelevant(cfg: DictConfig) -> tuple[str, ...]:
    """Return :data:`IRRELEVANT`, but not the number of processes where each takes statistics of its own images."""
    if OmegaConf.select(cfg, "trainer.sync_batchnorm") is not False:
        return IRRELEVANT
    cfg.trainer.devices *= cfg.trainer.num_nodes
    return tuple(key for key in IRRELEVANT if key != "trainer.devices")


def run_id(cfg: DictConfig) -> str:
    """Return the run's identity: the first 10 hexadecimal digits of a SHA-256.

    Equal for configurations that differ only in the order of keys (except below :data:`IN_ORDER` ones), in how a number
    is written (except for :data:`COUNT_OR_SHARE` keys), or in what cannot change the result (:func:`relevant`).
    """
    canonical = json.dumps(_canonical(relevant(cfg)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:HASH_LENGTH]


def run_name(cfg: DictConfig) -> str:
    """Return the run directory's name, readable first and unique by its hash: ``cmr-unet-dice-seed0-1f0c...``."""
    choices = cfg.hydra.runtime.choices
    parts = [str(choices[group]) for group in ("data", "model", "loss")]
    return "-".join([*parts, f"seed{cfg.seed}", run_id(cfg)])


def experiment_name(cfg: DictConfig) -> str:
    """Return the folder that gathers the runs: the chosen experiment, or ``runs`` without one."""
    return cfg.hydra.runtime.choices.get("experiment") or "runs"


def _canonical(value: Any, dotted: str = "") -> Any:
    if isinstance(value, dict):
        items = {str(key): _canonical(item, f"{dotted}.{key}".lstrip(".")) for key, item in value.items()}
        section, _, rest = dotted.partition(".")
        return list(items.items()) if section == "augmentation" and rest.split(".")[-1] in IN_ORDER else items
    if isinstance(value, list | tuple):
        # An item is not what its list is: of a transform in a list the order of the keys says nothing.
        return [_canonical(item, f"{dotted}[]") for item in value]
    if isinstance(value, float) and value.is_integer() and dotted not in COUNT_OR_SHARE:
        return int(value)
    return value
