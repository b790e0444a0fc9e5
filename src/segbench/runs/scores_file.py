"""``scores.parquet``: what a run made of every scored image, in a file that says itself what its columns mean.

Its schema's metadata holds one JSON object under the key ``segbench``: the task, whether class 0 is a background, and
the scores of further columns, as they were declared (:class:`segbench.scores.columns.ColumnScore`). So a report reads
scores that it has never heard of. A declaration is data, never code, and is checked like everything else in the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from segbench import runs
from segbench.runs.files import atomic_open
from segbench.runs.rows import Rows
from segbench.runs.split_scores import About, SplitScores, TaskRecord
from segbench.runs.unfolding import open_parquet, read_parquet
from segbench.scores.columns import ColumnScore, Ratio, reserved
from segbench.scores.derive import OVERALL_SCORES, SCORES

KEY = b"segbench"
# Far more than any description takes.
LARGEST = 2**18
MOST_SCORES = 200


def _found() -> dict[str, TaskRecord]:
    """Return the record of every file beside this one that offers one, by the task's name."""
    here = sorted(module.name for module in iter_modules(runs.__path__) if module.name.startswith("split_"))
    records = (getattr(import_module(f"{runs.__name__}.{name}"), "RECORD", None) for name in here)
    return {record.name: record for record in records if record is not None}


# The first is that of runs which left nothing to tell.
TASKS = _found()


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class _Ratio(_Strict):
    numerator: dict[str, float]
    denominator: dict[str, float]


class _Score(_Strict):
    name: str
    title: str
    ratios: list[_Ratio]
    mean: str
    lower_is_better: bool
    unit: str
    empty: str
    left_out: str
    # Files of before have none.
    most: str = ""

    def declared(self) -> ColumnScore:
        ratios = tuple(Ratio(part.numerator, part.denominator) for part in self.ratios)
        return ColumnScore(**(dict(self) | {"ratios": ratios}))


class _About(_Strict):
    task: str
    background: bool
    scores: list[_Score] = Field(max_length=MOST_SCORES)


def write_scores(path: Path, frames: Sequence[pd.DataFrame], about: About) -> None:
    """Write the rows of all scored splits, and what they mean, in place of an earlier file.

    Args:
        path: The file.
        frames: The rows of each split, at least one frame; it may be without rows.
        about: What they mean.

    Raises:
        OSError: If the file cannot be written.
        ValueError: For what :func:`read_scores` would refuse; an earlier file then stays.
    """
    table = pa.Table.from_pandas(pd.concat(frames, ignore_index=True))
    text = json.dumps(asdict(about), allow_nan=False).encode()
    _read(table, parse_about(text))
    with atomic_open(path) as stream:
        pq.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), KEY: text}), stream)


def read_scores(path: Path) -> Mapping[str, SplitScores]:
    """Read a scores file.

    Returns:
        Split name to what the run made of its images; empty for a final model that left no labelled image to score.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it does not say what its columns mean, or they do not mean that; in one line.
    """
    with open_parquet(path) as file:
        about = _about(file)
        _check(about, set(file.schema_arrow.names))
        return _read(read_parquet(file), about)


def read_frame(table: pd.DataFrame, about: About) -> Mapping[str, SplitScores]:
    """Return what :func:`read_scores` would, once these rows are written; raises as it does."""
    return _read(pa.Table.from_pandas(table), about)


def read_columns(path: Path) -> tuple[About, tuple[str, ...]]:
    """Return what a scores file says of itself, and the names of its columns; raises as :func:`read_scores` does."""
    with open_parquet(path) as file:
        return _about(file), tuple(file.schema_arrow.names)


def _about(file: pq.ParquetFile) -> About:
    text = (file.schema_arrow.metadata or {}).get(KEY)
    if text is None:
        raise ValueError("it does not say what its columns mean; train the run again")
    return parse_about(text)


def _read(table: pa.Table, about: About) -> Mapping[str, SplitScores]:
    _check(about, set(table.column_names))
    return TASKS[about.task].read(Rows(table), about)


def parse_about(text: bytes) -> About:
    """Return what a scores file says of itself.

    Args:
        text: JSON, UTF-8.

    Raises:
        ValueError: For anything else than such a description, in one line.
    """
    if len(text) > LARGEST:
        raise ValueError(f"its description has {len(text):,} bytes, more than {LARGEST:,}")
    try:
        about = _About.model_validate_json(text)
        scores = tuple(score.declared() for score in about.scores)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ascii(".".join(map(str, first["loc"]))[:80])[1:-1] or "as a whole"
        raise ValueError(f"its description is damaged: {place}: {' '.join(first['msg'].split())}") from error
    except ValueError as error:
        raise ValueError(f"its description is damaged: {error}") from error
    return About(about.task, about.background, scores)


def _check(about: About, columns: set[str]) -> None:
    """Refuse an unknown task, scores that share a name or lack a column, and columns that every file has."""
    if about.task not in TASKS:
        raise ValueError(f"its task is {about.task[:80]!r}, not {' or '.join(TASKS)}")
    names = [score.name for score in about.scores]
    for score in about.scores:
        if names.count(score.name) > 1 or score.name in SCORES or score.name in OVERALL_SCORES:
            raise ValueError(f"it declares {score.name}, which is there already")
        if kept := reserved(score.columns):
            raise ValueError(f"it declares {score.name} of the column {kept[0]}, which is of no further score")
        if missing := [column for column in score.columns if column not in columns]:
            raise ValueError(f"it declares {score.name}, and has no column {missing[0]}")
