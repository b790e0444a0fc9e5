"""Tables that come with a data set, such as the patient of each image."""

from __future__ import annotations

import csv
from pathlib import Path

from segbench.data.file_names import nfc
from segbench.errors import DataError
from segbench.words import first_line


def read_table(path: Path, key: str, value: str) -> tuple[dict[str, str], list[str]]:
    """Read two columns of a CSV file with a header and any line endings; names and cells are stripped.

    Args:
        path: The file.
        key: Name of the column of unique keys.
        value: Name of the column of their values.

    Returns:
        Key to value, and a one-line fault for each row that lacks either or repeats a key.

    Raises:
        DataError: If the file is missing, is not text, or lacks one of the columns.
    """
    try:
        # Python handles all three line endings, including a lone carriage return.
        rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except FileNotFoundError:
        raise DataError(f"{path}: missing") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV file ({first_line(error)})") from None
    header = [name.strip() for name in rows[0]] if rows else []
    lacking = [name for name in (key, value) if name not in header]
    if lacking:
        raise DataError(f"{path}: no column {' and no column '.join(lacking)}; it has {', '.join(header) or 'none'}")
    columns = header.index(key), header.index(value)
    found: dict[str, str] = {}
    faults = []
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        name, cell = (nfc(row[column].strip()) if column < len(row) else "" for column in columns)
        if not name or not cell:
            faults.append(f"{path}: line {number} has no {value if name else key}")
        elif name in found:
            faults.append(f"{path}: line {number}: {name} occurs twice")
        else:
            found[name] = cell
    return found, faults
