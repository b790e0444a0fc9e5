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
    header, rows = read_rows(path)
    lacking = [name for name in (key, value) if name not in header]
    if lacking:
        raise DataError(f"{path}: no column {' and no column '.join(lacking)}; it has {', '.join(header) or 'none'}")
    columns = header.index(key), header.index(value)
    found: dict[str, str] = {}
    faults = []
    for number, row in rows:
        name, cell = (row[column] for column in columns)
        if not name or not cell:
            faults.append(f"{path}: line {number} has no {value if name else key}")
        elif name in found:
            faults.append(f"{path}: line {number}: {name} occurs twice")
        else:
            found[name] = cell
    return found, faults


def read_rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Read a CSV file with a header, commas, semicolons or tabs between its cells, and any line endings.

    Args:
        path: The file.

    Returns:
        The header, and for each row that is not empty the number of its line and its cells, as many as the header has;
        all stripped and in Unicode's composed form.

    Raises:
        DataError: If the file is missing or is not text.
    """
    try:
        # Python handles all three line endings, including a lone carriage return.
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        first = lines[0] if lines else ""
        rows = list(csv.reader(lines, delimiter=max(",;\t", key=first.count)))
    except FileNotFoundError:
        raise DataError(f"{path}: missing") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV file ({first_line(error)})") from None
    header = [nfc(name.strip()) for name in rows[0]] if rows else []
    padded = [[nfc(cell.strip()) for cell in row[: len(header)]] + [""] * (len(header) - len(row)) for row in rows]
    return header, [(number, row) for number, row in enumerate(padded[1:], start=2) if any(row)]
