"""What the class behind a ``_target_`` takes: each option known and, where the signature says so, of its type."""

from __future__ import annotations

import inspect
import typing
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation

from segbench.errors import ConfigError
from segbench.suggest import nearest
from segbench.targets import find_class, find_object, targets_in


def check_signature(section: str, component: dict[str, Any]) -> None:
    """Compare a component's keys and simple values with the signature of its ``_target_``.

    Args:
        section: Dotted key of the component.
        component: Its keys, plain values.

    Raises:
        ConfigError: Names the key: no such class, no such option, or a value of another type.
    """
    target = component.get("_target_")
    if target is None:
        raise ConfigError(f"{section}: no _target_ (choose one of the files in conf/{section.split('.')[0]})")
    cls = find_class(section, target)
    parameters = _parameters(cls)
    hints = _type_hints(cls)
    for key, value in component.items():
        if key.startswith("_"):
            continue
        if key not in parameters:
            hint = nearest(key, parameters)
            raise ConfigError(f"{section}.{key}: {cls.__name__} has no such option{hint}")
        if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict) for item in value)):
            for inner, named in targets_in(value, f"{section}.{key}"):
                find_object(inner, named)
            continue
        _check_type(f"{section}.{key}", value, hints.get(key, Any))


def _parameters(cls: type) -> list[str]:
    """Return the constructor's parameter names, through ``**kwargs`` up the class hierarchy."""
    names: list[str] = []
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        names += [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return names


def _type_hints(cls: type) -> dict[str, Any]:
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if "__init__" in vars(base):
            try:
                hints |= typing.get_type_hints(vars(base)["__init__"])
            except (NameError, TypeError):
                continue
    return hints


def _check_type(key: str, value: Any, annotation: Any) -> None:
    try:
        adapter = TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
    except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation, TypeError):
        return
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        raise ConfigError(f"{key}={value}: {error.errors()[0]['msg'].removeprefix('Input ')}") from None
