"""Keep what the runs of a report recorded: ``python results/runs/pack.py outputs/cardiac`` writes cardiac.tar.xz here.

That is what a report is made from: settings, curves, scores and plans; no weights, no predictions and no images. No
path of the machine either: data is in ``data`` and runs in ``outputs``. The scores of a classification hold the true
class of every image, which belongs to the owner of the data: it is refused.
"""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet
import yaml

HERE = Path(__file__).parent
OF_A_RUN = ("config.yaml", "run.json", "status.json", "summary.json", "metrics.csv", "scores.parquet")
OF_AN_EXPERIMENT = ("plan.jsonl", "looks.jsonl", "decide.json", "sweep.json")
# Where things were, who ran them and what kept them: of the machine.
_OF_THE_MACHINE = {"python_path": None, "config_dir": None, "host": "", "pid": 0}


def pack(report: Path, archive: Path) -> list[str]:
    """Write what the finished runs below ``outputs/<report>`` recorded; return the names of the files.

    Experiments that share a run have a link to it, as in the folder.

    Raises:
        ValueError: If a run's scores hold the labels of the data.
    """
    for scores in report.glob("*/*/scores.parquet"):
        if "truth" in pyarrow.parquet.read_schema(scores).names:
            raise ValueError(f"{scores}: holds the true class of every image, which is the data's own")
    names = []
    configs = [yaml.safe_load(path.read_text()) for path in report.glob("*/*/config.yaml")]
    # Plans hold what was typed, which may be the folder of any run's data.
    folders = sorted({config["paths"]["data"] for config in configs}, key=len, reverse=True)
    with tarfile.open(archive, "w:xz", preset=9) as tar:
        for path in sorted(report.glob("*/*")):
            if path.is_symlink():
                names.append(_add(tar, report, path, str(path.readlink())))
            elif path.name in OF_AN_EXPERIMENT:
                names.append(_add(tar, report, path, _anonymous(path, folders)))
            elif (path / "summary.json").exists():
                files = [path / name for name in OF_A_RUN if (path / name).exists()]
                names += [_add(tar, report, file, _anonymous(file, folders)) for file in files]
    return names


def _anonymous(file: Path, folders: Sequence[str]) -> bytes:
    if file.suffix == ".parquet":
        return file.read_bytes()
    text = file.read_text()
    for folder in folders:
        text = text.replace(folder, "data")
    if file.name in OF_A_RUN and file.suffix == ".json":
        known: dict[str, Any] = json.loads(text)
        text = json.dumps(known | {key: value for key, value in _OF_THE_MACHINE.items() if key in known}, indent=2)
    return text.encode()


def _add(tar: tarfile.TarFile, report: Path, path: Path, content: bytes | str) -> str:
    """Add a file, or a link if the content is text, without owner and time, so that equal runs make equal archives."""
    entry = tarfile.TarInfo(path.relative_to(report.parent).as_posix())
    if isinstance(content, str):
        entry.type, entry.linkname = tarfile.SYMTYPE, content
        tar.addfile(entry)
    else:
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return entry.name


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    print(f"{len(pack(folder, HERE / f'{folder.name}.tar.xz'))} files in {HERE / folder.name}.tar.xz")
