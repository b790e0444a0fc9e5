"""Steps that a stranger would take: files that run code, or take all memory, when they are believed.

What would be executed makes the file ``canary`` in the case's folder.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from campaign.steps import found_one, step


class _Runs:
    """Unpickled, it makes a file: what a canary is for."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.canary,)


def _pickled(canary: Path, path: Path) -> None:
    path.write_bytes(pickle.dumps(_Runs(canary)))


def _by_torch(canary: Path, path: Path) -> None:
    torch.save({"state_dict": {"network.x": _Runs(canary)}}, path)


def _by_old_torch(canary: Path, path: Path) -> None:
    torch.save({"state_dict": {"network.x": _Runs(canary)}}, path, _use_new_zipfile_serialization=False)


def _in_an_array(canary: Path, path: Path) -> None:
    with path.open("wb") as stream:
        np.save(stream, np.array([_Runs(canary)], dtype=object), allow_pickle=True)


def _as_a_script(canary: Path, path: Path) -> None:
    class Runs(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    torch.jit.script(Runs()).save(str(path))


def _text(canary: Path, path: Path) -> None:
    path.write_text(f"cos\nsystem\n(S'touch {canary}'\ntR.")


PAYLOADS: dict[str, Callable[[Path, Path], None]] = {
    "pickle": _pickled,
    "torch": _by_torch,
    "old torch": _by_old_torch,
    "array": _in_an_array,
    "script": _as_a_script,
    "text": _text,
}


@step
def payload(here: Path, name: str, kind: str) -> None:
    """Write a file that runs code where it is unpickled, over what is there."""
    path = here / name
    path.parent.mkdir(parents=True, exist_ok=True)
    PAYLOADS[kind](here / "canary", path)


@step
def smuggle(here: Path, pattern: str) -> None:
    """Put what runs code into an otherwise good checkpoint, beside its weights."""
    path = found_one(here, pattern)
    stored = torch.load(path, weights_only=True)
    stored["hyper_parameters"] = _Runs(here / "canary")
    torch.save(stored, path)


@step
def listed(here: Path, pattern: str) -> None:
    """Enter a file's digest into the manifest beside it, as who changes the one can change the other."""
    path = found_one(here, pattern)
    manifest = path.with_name("manifest.json")
    known = json.loads(manifest.read_text())
    known[path.name] = [hashlib.sha256(path.read_bytes()).hexdigest()]
    if path.name == "previous.ckpt":
        known["last.ckpt"] = [*known.get("last.ckpt", []), *known[path.name]]
    manifest.write_text(json.dumps(known))


@step
def archive(here: Path, name: str, members: dict[str, Any], base: str = "") -> dict[str, str]:
    """Write a ZIP archive, and say its checksum as ``$checksum``.

    Args:
        here: The case's folder.
        name: The archive.
        members: By name a text; ``link: <target>`` a symbolic link; ``zeros: <bytes>`` many zeros.
        base: A folder whose files are packed too, flat.
    """
    path = here / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted((here / base).iterdir()) if base else ():
            packed.write(file, file.name)
        for member, content in members.items():
            _add(packed, member, content if isinstance(content, dict) else {"text": content})
    return {"checksum": hashlib.md5(path.read_bytes()).hexdigest()}


def _add(packed: zipfile.ZipFile, member: str, content: dict[str, Any]) -> None:
    if "link" in content:
        entry = zipfile.ZipInfo(member)
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(entry, content["link"])
    elif "zeros" in content:
        entry = zipfile.ZipInfo(member)
        entry.compress_type = zipfile.ZIP_DEFLATED
        with packed.open(entry, "w", force_zip64=True) as stream:
            for _ in range(content["zeros"] >> 24):
                stream.write(bytes(1 << 24))
    else:
        packed.writestr(member, content["text"])


@step
def encrypt(here: Path, pattern: str) -> dict[str, str]:
    """Say of all members of an archive that they are encrypted, and say its checksum as ``$checksum``."""
    path = found_one(here, pattern)
    content = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = content.find(mark)
        while place >= 0:
            content[place + flags] |= 1
            place = content.find(mark, place + 4)
    path.write_bytes(content)
    return {"checksum": hashlib.md5(content).hexdigest()}


@step
def doubled(here: Path, pattern: str, name: str) -> None:
    """Write a good checkpoint with a second ``data.pkl``, which runs code, before or behind the first."""
    (here / name).parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(found_one(here, pattern)) as good, zipfile.ZipFile(here / name, "w") as packed:
        for member in good.namelist():
            packed.writestr(member, good.read(member))
            if member.endswith("/data.pkl"):
                packed.writestr(member, pickle.dumps({"state_dict": _Runs(here / "canary")}, 2))


@step
def overlapped(here: Path, pattern: str, name: str, times: int = 3000) -> None:
    """Write a checkpoint whose directory names its largest member many times, so that few bytes count as gigabytes."""
    content = found_one(here, pattern).read_bytes()
    end = content.rindex(b"PK\5\6")
    size, start = struct.unpack_from("<II", content, end + 12)
    directory = content[start : start + size]
    entries = directory.split(b"PK\1\2")[1:]
    largest = max(entries, key=lambda entry: struct.unpack_from("<I", entry, 20)[0])
    further = b"".join(b"PK\1\2" + entry for entry in [*entries, *[largest] * times])
    tail = bytearray(content[end:])
    struct.pack_into("<HHII", tail, 8, len(entries) + times, len(entries) + times, len(further), start)
    (here / name).parent.mkdir(parents=True, exist_ok=True)
    (here / name).write_bytes(content[:start] + further + bytes(tail))


@step
def named(here: Path, text: str) -> None:
    """Write a text into the names of a class and of an image of all runs' scores."""
    for path in sorted(here.glob("outputs/runs/*/scores.parquet")):
        table = pq.read_table(path)
        for column in ("class_name", "id"):
            values = table[column].to_pylist()
            changed = pa.array([text if value == max(values) else value for value in values], table[column].type)
            table = table.set_column(table.column_names.index(column), table.schema.field(column), changed)
        pq.write_table(table, path)


@step
def inject(here: Path, text: str, times: int = 1) -> None:
    """Write a text wherever a run's files hold texts that a report prints."""
    text = text * times
    first, *others = sorted(here.glob("outputs/runs/*/run.json"))
    for path in (first, *others):
        known = json.loads(path.read_text())
        known["overrides"] = [*known["overrides"], f"model.note={text}"]
        path.write_text(json.dumps(known))
        with path.with_name("train.log").open("a", encoding="utf-8", errors="surrogatepass") as stream:
            stream.write(text + "\n")
    known = json.loads(first.read_text())
    known["choices"] = known["choices"] | {"model": text}
    first.write_text(json.dumps(known))
    failed = first.parent.with_name("failed")
    shutil.copytree(first.parent, failed)
    status = json.loads((failed / "status.json").read_text()) | {"state": "failed", "reason": text, "exit_code": 3}
    (failed / "status.json").write_text(json.dumps(status))
