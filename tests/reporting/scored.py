"""Scores files with rows of any kind, also those that the program would never write."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from segbench.runs.scores_file import KEY
from segbench.runs.split_scores import About


def store(path: Path, frame: pd.DataFrame, about: About | bytes | None) -> Path:
    """Write rows under a description, neither of which is checked; None for a file that says nothing."""
    table = pa.Table.from_pandas(frame)
    text = json.dumps(asdict(about)).encode() if isinstance(about, About) else about
    described = {} if text is None else {KEY: text}
    pq.write_table(table.replace_schema_metadata((table.schema.metadata or {}) | described), path)
    return path


def rewrite(path: Path, frame: pd.DataFrame) -> Path:
    """Write other rows into a scores file, under the description that it has."""
    return store(path, frame, pq.read_schema(path).metadata[KEY])
