"""The classes of one's own masks: as named by the options, or read from the masks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from segbench.data.tables import read_rows
from segbench.errors import ConfigError, DataError
from segbench.labels import IGNORE_INDEX
from segbench.words import first_line, listed

BACKGROUND = "background"
# The name under which a file or list of classes has the values that count nowhere, and the word for all other values.
IGNORED, OTHERS = "ignore", "others"
_MOST_CLASSES, _LARGEST = 254, 65535
# Classes of more values or colours than these are not guessed.
MOST_GUESSED = 40
_COLUMNS = {"name": ("name", "class", "label"), "value": ("value", "id", "index", "colour", "color", "rgb")}
Label = int | tuple[int, int, int]


@dataclass(frozen=True)
class Classes:
    """Classes and how masks store them.

    Attributes:
        names: Background first, if there is one.
        labels: From stored value or colour to class index, 255 for ignored.
        background: Whether class 0 is background.
        colours: Colour of every class, ``#RRGGBB``, if masks store colours.
    """

    names: tuple[str, ...]
    labels: Mapping[Label, int]
    background: bool = True
    colours: tuple[str, ...] | None = None

    def describe(self) -> str:
        """Return the classes for a message: ``values 0, 255: background, foreground``."""
        stored = {index: label for label, index in reversed([*self.labels.items()]) if index != IGNORE_INDEX}
        shown = [_shown(stored[index]) for index in range(len(self.names)) if index in stored]
        kind = "values" if self.colours is None else "colours"
        if len(shown) > 8:
            return f"{kind} {', '.join(shown)}: {len(self.names)} classes ({', '.join(self.names[:3])}, ...)"
        return f"{kind} {', '.join(shown)}: {', '.join(self.names)}"


def given_classes(classes: Any, colours: Any, root: Path) -> dict[str, Any] | None:
    """Return what ``data.classes`` or ``data.colours`` says: names to values, colours as (red, green, blue).

    Args:
        classes: Names to values or lists of values; a file of them (YAML, JSON or CSV); a list of names; or None.
        colours: Names to ``#RRGGBB``; or None.
        root: ``data.root``, in which the file may be.

    Raises:
        ConfigError: If both say something, or a colour is none.
        DataError: If there is no such file.
    """
    if classes is not None and colours is not None:
        raise ConfigError("data.classes and data.colours: set one of them")
    if isinstance(classes, str):
        classes = _read(classes, root)
    if colours is not None:
        if not isinstance(colours, Mapping):
            raise ConfigError(f"data.colours={colours}: write {{road: '#804080', background: '#000000'}}")
        return {str(name): _colour(str(name), value) for name, value in colours.items()}
    if classes is None:
        return None
    if isinstance(classes, Mapping):
        return {str(name): _values(str(name), value) for name, value in classes.items()}
    if isinstance(classes, Sequence):
        return {str(name): [index] for index, name in enumerate(classes)}
    raise ConfigError(f"data.classes={classes}: write {{background: 0, gland: 255}}, or the name of a file")


def named_classes(given: Mapping[str, Any], found: Sequence[Label], ignore: Sequence[int]) -> Classes:
    """Return the classes that the options name.

    Args:
        given: From :func:`given_classes`.
        found: The values or colours that the masks store.
        ignore: Values that count nowhere.

    Raises:
        ConfigError: If two classes have one value.
        DataError: If the masks have other values too, or none of those.
    """
    ignored = given.get(IGNORED, [])
    names = sorted((name for name in given if name != IGNORED), key=lambda name: name.lower() != BACKGROUND)
    labels: dict[Label, int] = {}
    for index, name in enumerate(names):
        for label in given[name]:
            if (other := labels.setdefault(label, index)) != index:
                raise ConfigError(f"data.classes: {names[other]} and {name} are both {_shown(label)}")
    others = [label for label in found if label not in labels]
    rest = others if ignored == OTHERS else ignored
    labels |= dict.fromkeys((*rest, *ignore), IGNORE_INDEX)
    if unknown := [label for label in found if label not in labels]:
        zero = {0: "background: 0", (0, 0, 0): "background: '#000000'"}.get(unknown[0], "name them")
        raise DataError(
            f"data.classes: the masks also have {listed([_shown(label) for label in unknown], 6)}; {zero}, or ignore:"
            " others for values that count nowhere"
        )
    if not any(labels.get(label, IGNORE_INDEX) != IGNORE_INDEX for label in found):
        raise DataError(f"data.classes: no mask has any of {listed([_shown(label) for label in labels], 6)}")
    _check_number(len(names))
    in_colour = any(isinstance(label, tuple) for label in labels)
    first = {index: label for label, index in reversed([*labels.items()])}
    colours = tuple(_shown(first[index]) for index in range(len(names))) if in_colour else None
    return Classes(tuple(names), labels, names[0].lower() == BACKGROUND, colours)


def found_classes(found: Sequence[Label], palettes: Iterable[str | None], ignore: Sequence[int]) -> Classes:
    """Return classes for the values of the masks: value 0 is background, the others are named by their values.

    Args:
        found: The values or colours that the masks store.
        palettes: The kinds of their palettes (:class:`segbench.data.folder.inspection.Seen`).
        ignore: Values that count nowhere.

    Raises:
        DataError: If there are too few values for classes, or too many.
    """
    values = sorted(
        (label for label in found if label not in ignore), key=lambda label: (isinstance(label, int), label)
    )
    if len(values) < 2:
        raise DataError(f"data.masks: all masks have the value {_shown(values[0]) if values else 'none'} alone")
    if len(values) > MOST_GUESSED:
        raise DataError(_too_many(values))
    if len({type(label) for label in values}) > 1:
        raise DataError("data.masks: some masks store colours (RGB) and some values (grey); save all in one way")
    if any(isinstance(label, tuple) for label in values):
        return _found_colours([label for label in values if isinstance(label, tuple)])
    background = values[0] == 0
    if set(values) <= {0, 1, 255} and set(palettes) == {"black and white"}:
        # Programs number black and white arbitrarily: such masks are read by their colours.
        return Classes((BACKGROUND, "foreground"), {0: 0, 1: 1, 255: 1})
    plain = len(values) == 2 and background
    names = ["foreground" if plain else f"class {value}" for value in values[background:]]
    labels: dict[Label, int] = {value: index for index, value in enumerate(values)}
    labels |= dict.fromkeys(ignore, IGNORE_INDEX)
    return Classes((*[BACKGROUND][: int(background)], *names), labels, background)


def _found_colours(colours: Sequence[tuple[int, int, int]]) -> Classes:
    black = colours[0] == (0, 0, 0)
    names = ["foreground" if black and len(colours) == 2 else _shown(colour) for colour in colours]
    names[0] = BACKGROUND if black else names[0]
    labels: dict[Label, int] = {colour: index for index, colour in enumerate(colours)}
    return Classes(tuple(names), labels, black, tuple(map(_shown, colours)))


def _too_many(values: Sequence[Label]) -> str:
    in_colour = isinstance(values[0], tuple)
    return f"data.masks: {len(values)} different {'colours' if in_colour else 'values'}; {remedy_of_many(in_colour)}"


def remedy_of_many(in_colour: bool) -> str:
    """Return what helps if masks have more values, or colours, than :data:`MOST_GUESSED`."""
    if in_colour:
        return "if edges were smoothed, save masks without, or name the true ones: data.colours={...}"
    return (
        "if they number objects: data.instances=true; if edges were smoothed or resampled, save masks without;"
        " else name them: data.classes={...}"
    )


def _check_number(count: int) -> None:
    if not 2 <= count <= _MOST_CLASSES:
        raise ConfigError(
            f"data.classes: {count} classes; name 2 to {_MOST_CLASSES}, with background: 0 if there is one"
        )


def _shown(label: Label) -> str:
    return str(label) if isinstance(label, int) else "#{:02X}{:02X}{:02X}".format(*label)


def _values(name: str, value: Any) -> Any:
    if name == IGNORED and value == OTHERS:
        return OTHERS
    if isinstance(value, str) and value.startswith("#"):
        return _colour(name, value)
    values = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if not values or any(type(one) is not int or not 0 <= one <= _LARGEST for one in values):
        raise ConfigError(
            f"data.classes.{name}={value}: must be a stored value from 0 to {_LARGEST}, or a list of them"
        )
    return values


def _colour(name: str, value: Any) -> list[tuple[int, int, int]]:
    if name == IGNORED and value == OTHERS:
        return OTHERS  # type: ignore[return-value]
    text = str(value).removeprefix("#")
    try:
        parts = bytes.fromhex(text) if isinstance(value, str) else bytes(value)
        red, green, blue = parts
    except (ValueError, TypeError):
        raise ConfigError(f"data.colours.{name}={value}: must be a colour like '#804080'") from None
    return [(red, green, blue)]


def _read(name: str, root: Path) -> Any:
    """Return the content of a file of classes: YAML, JSON, or CSV with columns name and value (or colour)."""
    path = next((place for place in (root / name, Path(name)) if place.is_file()), None)
    if path is None:
        raise DataError(f"data.classes={name}: no such file in {root.resolve()}")
    if path.suffix.lower() in (".csv", ".tsv", ".txt"):
        return _read_table(path)
    try:
        content = json.loads(path.read_text("utf-8")) if path.suffix.lower() == ".json" else yaml.safe_load(path.open())
    except (ValueError, yaml.YAMLError) as error:
        raise DataError(f"{path}: not a file of classes ({first_line(error)})") from None
    if not isinstance(content, Mapping | list):
        raise DataError(f"{path}: expected a line for each class, for example background: 0")
    return content


def _read_table(path: Path) -> dict[str, Any]:
    header, rows = read_rows(path)
    lower = [name.lower() for name in header]
    columns = {kind: next((lower.index(w) for w in words if w in lower), None) for kind, words in _COLUMNS.items()}
    name, value = columns["name"], columns["value"]
    if name is None or value is None:
        raise DataError(f"{path}: expected the columns name and value (or colour); it has {listed(header)}")
    found: dict[str, Any] = {}
    for number, row in rows:
        cell = row[value]
        if not cell.isdigit() and not cell.startswith("#"):
            raise DataError(f"{path}: line {number}: {cell} is no value and no colour like #804080")
        found.setdefault(row[name], []).append(int(cell) if cell.isdigit() else cell)
    return {key: cells[0] if isinstance(cells[0], str) else cells for key, cells in found.items()}
