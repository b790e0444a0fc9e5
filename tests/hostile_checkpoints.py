"""Checkpoints as an attacker or a bad disk leaves them, by name: made from a good one, for tests and campaigns.

:func:`make` writes one. An attack that succeeds leaves the file :data:`CANARY` in the folder; the text :data:`SECRET`,
in the environment variable ``SEGBENCH_SECRET``, must appear nowhere.
"""

from __future__ import annotations

import copy
import io
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

CANARY, SECRET = "executed", "secret-1f0c9"
Stored = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A hostile or damaged checkpoint.

    Attributes:
        change: Changes a good checkpoint, given the folder that files may lie in beside it.
        said: What the refusal says.
        code: The exit code of ``src/predict.py``.
    """

    change: Callable[[Stored, Path], Any]
    said: str
    code: int = 5


class Payload:
    """Unpickled, it leaves the canary."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.canary,)


def make(name: str, good: Path, folder: Path) -> Path:
    """Write a hostile or damaged checkpoint.

    Args:
        name: Of :data:`ATTACKS`, :data:`DAMAGES` or :data:`FILES`.
        good: A good checkpoint of a segmentation network, ``best.ckpt`` of any finished run.
        folder: Where to write it, with whatever it names; empty.

    Returns:
        The checkpoint.
    """
    path = folder / "best.ckpt"
    (folder / "payload.pkl").write_bytes(pickle.dumps(Payload(folder / CANARY)))
    (folder / "hostile_module.py").write_text(f"open({str(folder / CANARY)!r}, 'w')\n")
    if name in FILES:
        path.write_bytes(FILES[name][0](good.read_bytes()))
        return path
    stored = copy.deepcopy(torch.load(good, weights_only=True))
    case = {**ATTACKS, **DAMAGES}[name]
    changed = case.change(stored, folder)
    torch.save(stored if changed is None else changed, path)
    return path


def _record(stored: Stored) -> Stored:
    record: Stored = stored["segbench"]["prediction"]
    return record


def _network(target: str, **arguments: Any) -> Callable[[Stored, Path], None]:
    """Name another class; PAYLOAD and CANARY in its arguments become paths."""

    def change(stored: Stored, folder: Path) -> None:
        places = {"PAYLOAD": str(folder / "payload.pkl"), "CANARY": str(folder / CANARY)}
        filled = {
            name: places.get(value, value.format(**places) if "{CANARY}" in value else value)
            if isinstance(value, str) else value
            for name, value in arguments.items()
        }  # fmt: skip
        _record(stored).update(network=target, arguments=filled)

    return change


def _set(path: str, value: Any) -> Callable[[Stored, Path], None]:
    """Set a dotted place of the record."""

    def change(stored: Stored, folder: Path) -> None:
        *parents, last = path.split(".")
        node = _record(stored)
        for name in parents:
            node = node[name]
        node[last] = value

    return change


def _drop(path: str) -> Callable[[Stored, Path], None]:
    def change(stored: Stored, folder: Path) -> None:
        *parents, last = path.split(".")
        node = stored
        for name in parents:
            node = node[name]
        del node[last]

    return change


def _aliases() -> list[Any]:
    """Return 10^9 lists in ten that each hold the one below ten times, as anchors in YAML do."""
    node: list[Any] = ["lol"]
    for _ in range(9):
        node = [node] * 10
    return node


def _nested(depth: int) -> list[Any]:
    node: list[Any] = []
    for _ in range(depth):
        node = [node]
    return node


def _nested_target(stored: Stored, folder: Path) -> None:
    call = {
        "_target_": "pathlib.Path.touch",
        "_args_": [{"_target_": "pathlib.Path", "_args_": [str(folder / CANARY)]}],
    }
    _record(stored)["arguments"]["width"] = call


def _weights(change: Callable[[Stored, str], Any]) -> Callable[[Stored, Path], None]:
    """Change the weights, given one's name."""

    def changed(stored: Stored, folder: Path) -> None:
        first = next(name for name, value in stored["state_dict"].items() if value.dim() == 4)
        change(stored["state_dict"], first)

    return changed


def _large_tables(stored: Stored, folder: Path) -> None:
    """A network whose weights are few, but not what it computes them from."""
    arguments = {"window_size": 120, "feature_size": 12}
    _record(stored).update(
        network="segbench.models.monai.Monai", arguments={"arch": "SwinUNETR", "arguments": arguments}
    )
    stored["state_dict"]["network.first"] = torch.zeros(10**6)


def _old_configuration(stored: Stored, folder: Path) -> None:
    """A checkpoint of before the record, whose configuration was instantiated."""
    text = f"augmentation: {{_target_: pandas.read_pickle, _args_: [{folder / 'payload.pkl'}]}}\n"
    stored["segbench"] = {"schema": 1, "config": text, "mean": [0.0], "std": [1.0]}


_FOREIGN = "which is not segbench's; trust=true imports and executes it"
# Classes and functions that would run code, read or write files, or reach further ones.
_TARGETS: dict[str, tuple[str, dict[str, Any]]] = {
    "torch.load": ("torch.load", {"f": "PAYLOAD", "weights_only": False}),
    "pandas.read_pickle": ("pandas.read_pickle", {"filepath_or_buffer": "PAYLOAD"}),
    "numpy.load": ("numpy.load", {"file": "PAYLOAD", "allow_pickle": True}),
    "pathlib write_text": ("pathlib.Path.write_text", {"self": "CANARY", "data": "x"}),
    "shutil.copy": ("shutil.copy", {"src": "PAYLOAD", "dst": "CANARY"}),
    "os.system": ("os.system", {"command": "touch {CANARY}"}),
    "subprocess.run": ("subprocess.run", {"args": "touch {CANARY}", "shell": True}),
    "eval": ("builtins.eval", {"source": "open('{CANARY}', 'w')"}),
    "exec": ("builtins.exec", {"source": "open('{CANARY}', 'w')"}),
    "runpy": ("runpy.run_path", {"path_name": "hostile_module.py"}),
    "importlib": ("importlib.import_module", {"name": "hostile_module"}),
    "joblib": ("joblib.load", {"filename": "PAYLOAD"}),
    "hydra in hydra": ("hydra.utils.instantiate", {"config": {"_target_": "hostile_module.Network"}}),
    "a module beside it": ("hostile_module.Network", {}),
    "logging configuration": ("logging.config.fileConfig", {"fname": "PAYLOAD"}),
    "a checkpoint loader": ("torch.jit.load", {"f": "PAYLOAD"}),
    "torch.hub": ("torch.hub.load", {"repo_or_dir": ".", "model": "m", "source": "local"}),
    "another part of ours": ("segbench.train.train", {}),
    "a data set of ours": ("segbench.data.phantom.PhantomData", {"cache_dir": "CANARY"}),
    "a function of ours that imports": ("segbench.models.external.require", {"package": "hostile_module", "extra": ""}),
    "a function that ours import": ("segbench.models.external.import_module", {"name": "hostile_module"}),
    "a class that ours import": ("segbench.models.pretrained.Path", {}),
    "through ours to torch": ("segbench.models.pretrained.torch.load", {"f": "PAYLOAD", "weights_only": False}),
    "through a class of ours": ("segbench.models.unet.UNet.forward.__globals__", {}),
    "a module of ours alone": ("segbench.models", {}),
    "upwards": ("segbench.models...os.system", {"command": "touch {CANARY}"}),
    "a name that only looks like ours": ("segbench.models_.Network", {}),
    "letters that look like ours": ("ѕegbench.models.UNet", {}),
}
ATTACKS: dict[str, Case] = {
    **{name: Case(_network(target, **given), _FOREIGN, 2) for name, (target, given) in _TARGETS.items()},
    "a task": Case(_set("task", "hostile_module.Task"), _FOREIGN, 2),
    "a task that is none": Case(_set("task", "os.system"), _FOREIGN, 2),
    "a task without masks": Case(_set("task", "segbench.tasks.classification.ClassificationTask"), _FOREIGN, 2),
    "a nested target": Case(_nested_target, _FOREIGN, 2),
    "a nested target of ours": Case(
        _set("arguments.width", {"_target_": "segbench.models.UNet", "in_channels": 1}), _FOREIGN, 2
    ),
    "_partial_": Case(_set("arguments._partial_", True), "arguments._partial_: not a further argument"),
    "_args_": Case(_set("arguments._args_", ["x"]), "arguments._args_: not a further argument"),
    "_target_ in the arguments": Case(_set("arguments._target_", "os.system"), "arguments._target_: not a further"),
    "dunder": Case(_set("arguments.__class__", "x"), "arguments.__class__: not a further argument"),
    "channels": Case(_set("arguments.in_channels", 1), "arguments.in_channels: not a further argument"),
    "an unknown argument": Case(_set("arguments.hook", "x"), "cannot be built"),
    "the environment": Case(_set("arguments.width", "${oc.env:SEGBENCH_SECRET}"), "is an interpolation"),
    "the environment in a name": Case(_set("network", "${oc.env:SEGBENCH_SECRET}.x"), "is an interpolation"),
    "the environment as a key": Case(_set("arguments", {"${oc.env:SEGBENCH_SECRET}": 1}), "is an interpolation"),
    "the environment in a class's name": Case(
        _set("class_names", ("${oc.env:SEGBENCH_SECRET}", "b", "c", "d")), "is an interpolation"
    ),
    "an alias bomb": Case(_set("arguments.width", _aliases()), "is nested more than"),
    "a flat alias bomb": Case(_set("arguments.width", [[0] * 100] * 100), "is more than 4,096 values"),
    "nested": Case(_set("arguments.width", _nested(300)), "is nested more than 8 deep"),
    "many": Case(_set("arguments", {f"a{number}": 0 for number in range(50_000)}), "is more than 4,096 values"),
    "long": Case(_set("network", "a." * 5_000_000), "no printable text of at most"),
    "a key that is a number": Case(_set("inputs", {1: 2}), "a key of inputs is of type int, no text"),
    "a key that is nothing": Case(_set("arguments", {None: 2}), "a key of arguments is of type NoneType, no text"),
    "a key of the constructor": Case(_set("inputs", {"__dataclass_self__": 1}), "multiple values for argument"),
    "an unprintable name": Case(_set("class_names", ("\x1b]0;x\x07", "b", "c", "d")), "no printable text"),
    "a line break": Case(_set("inputs.name", "a\nerror: b"), "no printable text"),
    "written backwards": Case(_set("inputs.name", "a\u202egnp.b"), "no printable text"),
    "bytes": Case(_set("arguments.width", b"x"), "is of type bytes, no plain value"),
    "a tensor": Case(_set("mean", torch.zeros(3)), "is of type Tensor, no plain value"),
    "a huge number": Case(_set("arguments.width", 10**30), "is larger than"),
    "a huge network": Case(_set("arguments.width", 60_000), "it is larger than they are"),
    "a deep network": Case(_set("arguments.depth", 60_000), "depth must be at most 16"),
    "huge images": Case(_set("inputs.size", (65_536, 65_536)), "size"),
    "images without size": Case(_set("inputs.size", (0, 10)), "size.0: Input should be greater than 0"),
    "a million channels": Case(_set("inputs.channels", 1_000_000), "channels: Input should be less than"),
    "pretrained weights": Case(
        _network("segbench.models.fcn.FCN", width=2, fully_connected=2, pretrained="PAYLOAD"),
        "weights of another network",
    ),
    "a network of MONAI that is for something else": Case(
        _network("segbench.models.monai.Monai", arch="CellSamWrapper"), "model.arch=CellSamWrapper: none of"
    ),
    "tables of MONAI that are larger than memory": Case(_large_tables, "cannot be built"),
    "MONAI's own pretrained weights": Case(
        _network("segbench.models.monai.Monai", arch="FlexibleUNet", arguments={"backbone": "x", "pretrained": True}),
        "cannot be built",
    ),
    "a wrapper with a path": Case(_network("segbench.models.external.ExternalNetwork", network="PAYLOAD"), "built"),
    "a further key": Case(_set("config", "augmentation: {_target_: os.system}"), "config: Extra inputs are not"),
    "a further key of the input": Case(_set("inputs.reader", "os.system"), "reader: Unexpected keyword argument"),
    "another reading": Case(_set("inputs.reading", "pickle"), "reading: Input should be"),
    "another fit": Case(_set("inputs.fit", "os.system"), "fit: Input should be"),
    "another precision": Case(_set("precision", "64"), "precision: Input should be"),
    "a configuration of before": Case(_old_configuration, "best.ckpt has schema 1, this version of segbench reads"),
}


def _shared(stored: Stored, folder: Path) -> None:
    """A network as large as weights would be if each had its own numbers."""
    one = torch.zeros(10**6)
    stored["state_dict"].update({f"network.{number}": one for number in range(100)})
    _record(stored)["arguments"].update(width=256, depth=5)


def _without_record(stored: Stored, folder: Path) -> None:
    del stored["segbench"]["prediction"]


DAMAGES: dict[str, Case] = {
    "no mean": Case(_drop("segbench.prediction.mean"), "mean: Field required"),
    "mean of too many channels": Case(_set("mean", (0.1,) * 7), "mean and std must have a value for each of"),
    "mean that is not finite": Case(_set("mean", (float("nan"),)), "mean[0] is nan, not finite"),
    "std that is not finite": Case(_set("std", (float("inf"),)), "std[0] is inf, not finite"),
    "std of zero": Case(_set("std", (0.0,)), "std.0: Input should be greater than 0"),
    "logits": Case(_set("logits", 7), "7 logits do not fit"),
    "a class too many": Case(_set("class_names", ("a",) * 300), "class_names"),
    "colours": Case(_set("class_colours", ("#FFFFFF",)), "class_colours must have a colour for each class"),
    "values of too few classes": Case(_set("stored", (0,)), "stored must have a value for each class"),
    "values that are equal": Case(_set("stored", (0, 1, 1, 2)), "stored must have another value for each class"),
    "values that are too large": Case(_set("stored", (0, 1, 2, 1 << 17)), "stored"),
    "values of two kinds": Case(_set("stored", (0, 1, 2, "#FFFFFF")), "stored"),
    "objects of no class": Case(_set("objects", (9,)), "objects must be of the 4 classes"),
    "another way to average": Case(_set("tta", "os.system"), "tta: Input should be 'flips'"),
    "no record": Case(_without_record, "holds no record of how to predict"),
    "a list for the record": Case(lambda stored, _: stored["segbench"].update(prediction=[]), "holds no record"),
    "a list for what segbench says": Case(lambda stored, _: stored.update(segbench=[]), "describes no network"),
    "nothing that segbench says": Case(_drop("segbench"), "describes no network"),
    "a tensor for the schema": Case(
        lambda stored, _: stored["segbench"].update(schema=torch.zeros(3)), "best.ckpt has schema tensor"
    ),
    "a list for the weights": Case(lambda stored, _: stored.update(state_dict=[]), "not a checkpoint (no state_dict)"),
    "no weights": Case(_drop("state_dict"), "not a checkpoint (no state_dict)"),
    "a list": Case(lambda stored, _: [stored], "not a checkpoint (no state_dict)"),
    "no weight": Case(lambda stored, _: stored.update(state_dict={}), "holds no weights of a network"),
    "a weight that is missing": Case(_weights(lambda weights, name: weights.pop(name)), "is missing"),
    "a weight too many": Case(
        _weights(lambda weights, name: weights.update({"network.extra": torch.zeros(1)})), "extra is not of it"
    ),
    "a weight of another shape": Case(
        _weights(lambda weights, name: weights.update({name: torch.zeros(1, 2, 3, 4)})), "is (1, 2, 3, 4), not ("
    ),
    "a weight that is not finite": Case(
        _weights(lambda weights, name: weights[name].view(-1)[:1].fill_(float("nan"))), "is not finite"
    ),
    "a weight that is infinite": Case(
        _weights(lambda weights, name: weights[name].view(-1)[:1].fill_(float("inf"))), "is not finite"
    ),
    "a weight that is a list": Case(_weights(lambda weights, name: weights.update({name: [0.0]})), "is no dense array"),
    "weights that are all the same": Case(_shared, "it is larger than they are"),
    "a weight that is repeated": Case(
        _weights(lambda weights, name: weights.update({name: torch.zeros(1).expand(10**12)})),
        "is larger than what is stored of it",
    ),
}


def _compressed(content: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as plain, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for member in plain.infolist():
            packed.writestr(member.filename, plain.read(member))
    return made.getvalue()


def _pickled(call: bytes) -> Callable[[bytes], bytes]:
    """Write an archive of torch's own with another value beside no weights, of a few hundred bytes."""
    content = pickle.dumps({"state_dict": {}}, 2)[:-1] + b"X\x01\x00\x00\x00a" + call + b"s."

    def made(good: bytes) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name, part in (("data.pkl", content), ("version", b"3\n"), ("byteorder", b"little")):
                archive.writestr(f"best/{name}", part)
        return stream.getvalue()

    return made


_TERABYTE = b"\x8a\x06" + (2**40).to_bytes(6, "little")
# Files that are none of torch's archives, made from the bytes of a good one, with what the refusal says.
FILES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda content: b"", "not a loadable checkpoint"),
    "text": (lambda content: b"<html>404</html>", "not a loadable checkpoint"),
    "cut": (lambda content: content[: len(content) // 2], "not a loadable checkpoint"),
    "without its first bytes": (lambda content: content[100:], "not a loadable checkpoint"),
    "zeros in the middle": (lambda content: content[:300] + bytes(300) + content[600:], "not a loadable checkpoint"),
    "compressed": (_compressed, "not a loadable checkpoint (it is compressed)"),
    "a terabyte of bytes": (_pickled(b"cbuiltins\nbytearray\n" + _TERABYTE + b"\x85R"), "not a loadable checkpoint"),
    "a terabyte of numbers": (_pickled(b"ctorch\nTensor\n" + _TERABYTE + b"\x85R"), "not a loadable checkpoint"),
    "a pickle": (lambda content: pickle.dumps(Payload(Path(CANARY))), "not a loadable checkpoint"),
    "a script": (lambda content: b"#!/bin/sh\ntouch executed\n", "not a loadable checkpoint"),
}
