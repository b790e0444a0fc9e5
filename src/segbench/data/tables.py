"""Tables that come with a data set: which patient an image is of, and the like."""

from __future__ import annotations

import csv
from pathlib import Path

from segbench.errors import DataError
from segbench.words import first_line


def read_table(path: Path, key: str, value: str) -> tuple[dict[str, str], list[str]]:
    """Read two columns of a CSV file with a header, whatever its line ends; blanks around names and cells are dropped.

    Args:
        path: The file.
        key: Name of the column whose cells are unique.
        value: Name of the column looked up by it.

    Returns:
        Key to value, and one line for each row that lacks either or repeats a key.

    Raises:
        DataError: One line: missing, not text, or without one of the columns.
    """
    try:
        # Python reads all three kinds of line end, the lone carriage return too.
        rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except FileNotFoundError:
        raise DataError(f"{path}: missing") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV file ({first_line(error)})") from None
    header = [name.strip() for name in rows[0]] if rows else []
    lacking = [name for name in (key, value) if name not in header]
    if lacking:
        raise DataError(f"{path}: no column {' and no column '.join(lacking)}; it has {', '.join(header) or 'none'}")
    places = header.index(key), header.index(value)
    found: dict[str, str] = {}
    faults = []
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        name, cell = (row[place].strip() if place < len(row) else "" for place in places)
        if not name or not cell:
            faults.append(f"{path}: line {number} has no {value if name else key}")
        elif name in found:
            faults.append(f"{path}: line {number}: {name} stands there twice")
        else:
            found[name] = cell
    return found, faults
