"""Values of the configuration that are of several kinds; of a union pydantic would tell a fault for each."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError


def _batch_size(value: Any) -> Any:
    """Refuse in one message what is neither; of a union pydantic would tell two faults."""
    if value == "all" or (type(value) is int and value > 0):
        return value
    if type(value) is int:
        raise PydanticCustomError("batch_size", "should be greater than 0, or the word all")
    raise PydanticCustomError("batch_size", "should be a whole number of images, or the word all")


def choice(*values: Any) -> AfterValidator:
    """Refuse in one message what is none of these."""
    words = " or ".join({None: "null", True: "true", False: "false"}.get(value, str(value)) for value in values)

    def check(value: Any) -> Any:
        if any(type(value) is type(other) and value == other for other in values):
            return value
        raise PydanticCustomError("choice", f"should be {words}")

    return AfterValidator(check)


def _num_workers(value: Any) -> Any:
    """Refuse what is neither."""
    if value == "auto" or (type(value) is int and value >= 0):
        return value
    raise PydanticCustomError("num_workers", "should be a number of processes, 0 or more, or the word auto")


BatchSize = Annotated[Any, AfterValidator(_batch_size)]
NumWorkers = Annotated[Any, AfterValidator(_num_workers)]
