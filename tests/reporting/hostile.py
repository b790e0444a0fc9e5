"""Run folders that somebody sent: what may be wrong with each file, by name, done to a good run.

Each case takes the folder of a finished run and a file outside it with :data:`SECRET`, which nothing may quote. The
second entry is what the report says of the run, ``unreadable`` with this in its reason; None for a run that counts all
the same.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, PngImagePlugin

from segbench.pictures.panels import TITLES_KEY
from segbench.runs.bounded import YAML_END
from segbench.runs.scores_file import KEY

SECRET = "canary-7f3a9c"
Case = tuple[Callable[[Path, Path], None], str | None]


def _write(name: str, content: str | bytes) -> Callable[[Path, Path], None]:
    def change(run: Path, outside: Path) -> None:
        _gone(run / name)
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return change


def _edit(name: str, **changes: object) -> Callable[[Path, Path], None]:
    def change(run: Path, outside: Path) -> None:
        known = json.loads((run / name).read_text()) | changes
        (run / name).write_text(json.dumps(known))

    return change


def _config(text: str) -> Callable[[Path, Path], None]:
    def change(run: Path, outside: Path) -> None:
        known = (run / "config.yaml").read_text().removesuffix(YAML_END)
        (run / "config.yaml").write_text(f"{known}{text}\n{YAML_END}")

    return change


def _link(name: str) -> Callable[[Path, Path], None]:
    def change(run: Path, outside: Path) -> None:
        _gone(run / name)
        (run / name).symlink_to(outside)

    return change


def _pipe(name: str) -> Callable[[Path, Path], None]:
    def change(run: Path, outside: Path) -> None:
        _gone(run / name)
        os.mkfifo(run / name)

    return change


def _device(name: str) -> Callable[[Path, Path], None]:
    def change(run: Path, outside: Path) -> None:
        _gone(run / name)
        (run / name).symlink_to("/dev/zero")

    return change


def _folder(name: str) -> Callable[[Path, Path], None]:
    def change(run: Path, outside: Path) -> None:
        _gone(run / name)
        (run / name).mkdir()

    return change


def _lost(name: str) -> Callable[[Path, Path], None]:
    return lambda run, outside: _gone(run / name)


def _cut(name: str) -> Callable[[Path, Path], None]:
    def change(run: Path, outside: Path) -> None:
        content = (run / name).read_bytes()
        (run / name).write_bytes(content[: len(content) // 2])

    return change


def _gone(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()


def alias_bomb(levels: int = 60) -> str:
    """A YAML mapping of a few lines that unfolds to 2 ** levels words."""
    lines = ["bomb0: &a0 [x, x]", *(f"bomb{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, levels))]
    return "\n".join(["", *lines, ""])


def _table(rows: int, column: str = "tp") -> Callable[[Path, Path], None]:
    """Equal numbers, of which Parquet stores one."""

    def change(run: Path, outside: Path) -> None:
        metadata = pq.read_schema(run / "scores.parquet").metadata
        known = pq.read_table(run / "scores.parquet")
        schema = pa.schema([(name, pa.int64()) for name in known.column_names], metadata=metadata)
        part = pa.table([pa.array(np.zeros(10**6, np.int64))] * len(schema), schema=schema)
        with pq.ParquetWriter(run / "scores.parquet", schema, compression="zstd") as writer:
            for _ in range(rows // 10**6):
                writer.write_table(part)

    return change


def _long_words(run: Path, outside: Path) -> None:
    """One id of 4 MB for each of 5,000 rows, which a dictionary stores once."""
    known = pq.read_table(run / "scores.parquet")
    few = known.take([0] * 5000)
    word = pa.DictionaryArray.from_arrays(pa.array(np.zeros(5000, np.int32)), pa.array(["x" * 2**22]))
    plain = few.set_column(few.column_names.index("id"), "id", word).replace_schema_metadata(known.schema.metadata)
    # What stores no schema is read as plain words.
    pq.write_table(plain, run / "scores.parquet", compression="zstd", store_schema=False)


def _nested_table(run: Path, outside: Path) -> None:
    known = pq.read_table(run / "scores.parquet")
    lists = pa.array([[[1]]] * len(known))
    nested = known.set_column(known.column_names.index("tp"), "tp", lists)
    pq.write_table(nested.replace_schema_metadata(known.schema.metadata), run / "scores.parquet")


def _described(text: bytes) -> Callable[[Path, Path], None]:
    def change(run: Path, outside: Path) -> None:
        known = pq.read_table(run / "scores.parquet")
        pq.write_table(known.replace_schema_metadata({KEY: text}), run / "scores.parquet")

    return change


def _archive(about: bytes, **members: bytes) -> Callable[[Path, Path], None]:
    def change(run: Path, outside: Path) -> None:
        with zipfile.ZipFile(run / "predictions.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("about.json", about)
            for name, content in members.items():
                archive.writestr(name, content)

    return change


def _zip_bomb(megabytes: int) -> Callable[[Path, Path], None]:
    """An about.json that is a thousand times smaller in its archive."""

    def change(run: Path, outside: Path) -> None:
        with (
            zipfile.ZipFile(run / "predictions.zip", "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("about.json", "w", force_zip64=True) as stream,
        ):
            for _ in range(megabytes // 16):
                stream.write(b" " * 2**24)

    return change


def huge_picture(side: int = 60_000) -> bytes:
    """A PNG that says it has side x side pixels."""
    stream = io.BytesIO()
    Image.new("L", (8, 8)).save(stream, "PNG")
    content = bytearray(stream.getvalue())
    content[16:24] = side.to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    return bytes(content)


def _titled(titles: str) -> Callable[[Path, Path], None]:
    def change(run: Path, outside: Path) -> None:
        text = PngImagePlugin.PngInfo()
        text.add_text(TITLES_KEY, titles)
        Image.new("RGB", (80, 80), "red").save(run / "figures" / "predictions.png", pnginfo=text)

    return change


def _linked_figures(run: Path, outside: Path) -> None:
    (run / "figures").rmdir()
    elsewhere = outside.parent / "private"
    elsewhere.mkdir(exist_ok=True)
    Image.new("RGB", (80, 80), "red").save(elsewhere / "predictions.png")
    (elsewhere / "predictions.png").write_bytes((elsewhere / "predictions.png").read_bytes() + SECRET.encode())
    (run / "figures").symlink_to(elsewhere)


BRACKETS = "[" * 5000
FILES = ("run.json", "status.json", "config.yaml", "summary.json", "scores.parquet", "metrics.csv")
SIDE_FILES = (
    "train.log",
    "predictions.zip",
    "figures/predictions.png",
    "figures/weights.png",
    ".lock",
    "sweep.json",
    "plan.jsonl",
)

CASES: dict[str, Case] = {
    **{f"{name} is a link out": (_link(name), "it is a link") for name in FILES},
    **{f"{name} is a pipe": (_pipe(name), "a pipe or a device") for name in FILES},
    **{f"{name} is a link to a device": (_device(name), "it is a link") for name in FILES},
    **{f"{name} is a folder": (_folder(name), "it is a folder") for name in FILES},
    **{f"{name} is cut": (_cut(name), name) for name in FILES},
    **{f"{name} is empty": (_write(name, ""), name) for name in FILES},
    **{f"{name} is no text": (_write(name, b"\xff\xfe\x00"), name) for name in FILES},
    **{f"{name} is lost": (_lost(name), "is missing") for name in FILES if name != "metrics.csv"},
    **{f"{name} is a link out": (_link(name), None) for name in SIDE_FILES},
    **{f"{name} is a pipe": (_pipe(name), None) for name in SIDE_FILES},
    **{f"{name} is a folder": (_folder(name), None) for name in SIDE_FILES},
    **{f"{name} is no text": (_write(name, b"\xff\xfe\x00"), None) for name in SIDE_FILES},
    **{
        f"{name} is {value}": (_write(name, value), name)
        for name in ("run.json", "status.json", "summary.json", "config.yaml")
        for value in ("[1]", '"x"', "5", "null", "[[[[]]]]")
    },
    **{
        f"{name} is nested": (_write(name, f'{{"a": {BRACKETS}{BRACKETS.replace("[", "]")}}}'), "nested deeper")
        for name in ("run.json", "status.json", "summary.json", "config.yaml")
    },
    **{
        f"{name} is large": (_write(name, b'{"a": "' + b"x" * 2**21 + b'"}'), "bytes, more than")
        for name in ("run.json", "status.json", "summary.json", "config.yaml")
    },
    "config.yaml has an alias bomb": (_config(alias_bomb()), "it has an alias"),
    "config.yaml has 5,000 brackets": (_config(f"\ndeep: {BRACKETS}"), "nested deeper"),
    "config.yaml has a million brackets": (_write("config.yaml", "a: " + "[" * 10**6), "nested deeper"),
    "config.yaml has nested mappings": (_config("\ndeep: " + "{a: " * 3000), "nested deeper"),
    "config.yaml names a class": (_config("\nx: !!python/object/apply:os.system ['true']\n"), "it has a tag"),
    "config.yaml has bytes": (_config("\nx: !!binary aGVsbG8=\n"), "it has a tag"),
    "config.yaml has a number of 60,000 parts": (_config("\nx: 1" + ":1" * 60_000 + "\n"), "it has a word"),
    "config.yaml has a number of 60,000 digits": (_config("\nx: 0x" + "f" * 60_000 + "\n"), "a number of 60,002"),
    "config.yaml has a number beyond all": (_config("\nx: 1" + ":1" * 500 + ".5\n"), "a number of 1,003"),
    "config.yaml reads the environment": (_config("\ndebug: ${oc.env:CANARY}\n"), None),
    "config.yaml has 60,000 settings": (
        _config("\nfurther:\n" + "".join(f"  k{n}: {n}\n" for n in range(60_000))), "settings, more than 2,000",
    ),
    "config.yaml has paths that are a list": (_config("\npaths: [x]\n"), "paths is not a mapping"),
    "config.yaml compares by a text": (_write("config.yaml", "seed: 1\ncomparison: {factors: model}\n"), "factors"),
    "config.yaml has published figures of words": (
        _write("config.yaml", "seed: 1\ncomparison: {published: [{where: x, value: y}]}\n"), "published",
    ),
    "run.json has a seed of words": (_edit("run.json", seed="x"), "run.json"),
    "run.json has choices of numbers": (_edit("run.json", choices=5), "run.json"),
    "run.json has half characters": (_edit("run.json", overrides=["a=\ud800"]), None),
    "run.json has an alias bomb in an override": (_edit("run.json", overrides=[f"x={alias_bomb()}"]), None),
    "run.json has a number beyond all in an override": (_edit("run.json", overrides=[f"a=1{':1' * 500}.5"]), None),
    "run.json has a seed of 100 digits": (_edit("run.json", seed=10**99), "a number of 100"),
    "run.json has a huge number": (_write("run.json", '{"schema": 1, "seed": ' + "9" * 10**5 + "}"), "run.json"),
    "status.json has attempts of words": (_edit("status.json", attempts="x"), None),
    "status.json has a host that is a list": (_edit("status.json", host=[1]), None),
    "status.json has no such state": (_edit("status.json", state="x"), "state is 'x'"),
    "status.json has a state that is a list": (_edit("status.json", state=[1]), "state is"),
    "status.json has a long reason": (_edit("status.json", state="failed", reason="x" * 10**6), "failed"),
    "summary.json has costs of words": (_edit("summary.json", cost={"weights": "x"}), "cost.weights"),
    "summary.json has costs beyond all": (_edit("summary.json", cost={"parameters": 10**30}), "cost.parameters"),
    "summary.json has an infinite cost": (_edit("summary.json", cost={"parameters": float("inf")}), None),
    "summary.json has a commit that is a list": (_edit("summary.json", git=[1]), "git is not"),
    "summary.json has versions of words": (_edit("summary.json", versions="x"), "versions"),
    "summary.json repeats in words": (_edit("summary.json", repeats="x"), "repeats"),
    "summary.json repeats for no list": (_edit("summary.json", repeats={"to_the_bit": True, "because": 5}), "repeats"),
    "summary.json repeats for numbers": (_edit("summary.json", repeats={"to_the_bit": 0, "because": [1]}), "repeats"),
    "metrics.csv has a million columns": (_write("metrics.csv", "epoch" + ",a" * 10**6 + "\n"), "columns, more than"),
    "metrics.csv has words": (_write("metrics.csv", "epoch,a\n1,x\n"), "metrics.csv"),
    "scores.parquet has a billion equal numbers": (_table(3 * 10**7), "rows of"),
    "scores.parquet has long words": (_long_words, "scores.parquet"),
    "scores.parquet has lists": (_nested_table, "holds neither texts nor numbers"),
    "scores.parquet has a nested description": (_described(BRACKETS.encode()), "description"),
    "scores.parquet has a large description": (_described(b" " * 2**20), "description"),
    "predictions.zip has an about.json of 64 MB": (_zip_bomb(64), None),
    "predictions.zip has an about.json of 1 GB": (_zip_bomb(1024), None),
    "predictions.zip is nested": (_archive(BRACKETS.encode()), None),
    "predictions.zip is about nothing": (_archive(b"[1]"), None),
    "predictions.zip has ids that are no list": (_archive(b'{"ids": 5, "split": "test"}'), None),
    "predictions.zip has a huge picture": (
        _archive(b'{"ids": ["test0"], "split": "test"}', **{"0.png": huge_picture()}), None,
    ),
    "figures/predictions.png is huge": (_write("figures/predictions.png", huge_picture()), None),
    "figures/predictions.png is cut": (_write("figures/predictions.png", huge_picture(8)[:60]), None),
    "figures/predictions.png has nested titles": (_titled(BRACKETS), None),
    "figures is a link out": (_linked_figures, None),
    "figures is a file": (lambda run, outside: ((run / "figures").rmdir(), (run / "figures").touch())[1], None),
}  # fmt: skip
