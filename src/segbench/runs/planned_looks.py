"""The plan of an experiment that trains seeds until its question is decided, and how far it has come: ``decide.json``.

It is written before anything is trained and again after each look, so that a sweep that is killed goes on, and a report
knows which share of the error rate is its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from segbench.runs.bounded import LISTS, read_json
from segbench.runs.files import write_json

FILE = "decide.json"
End = Literal["decided", "budget", "looks", "untested"]
_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class PlannedRow(_Part):
    """A row of the plan.

    Attributes:
        name: Name of the directory of its run with seed 0, which its settings decide.
        settings: What it differs in, overrides as they may be written down.
    """

    name: str
    settings: tuple[str, ...]

    @property
    def label(self) -> str:
        """Its settings as text."""
        return " ".join(self.settings) or self.name


class PlannedRun(_Part):
    """A run of the plan that was started.

    Attributes:
        row: Index of its row in the plan.
        seed: Its seed.
        directory: Name of its directory.
        seconds: What it has taken so far, all attempts.
        known: Whether it was finished before the plan was made, so that it takes nothing off the budget.
        failed: Why it is not finished, None where it is.
    """

    row: _Count
    seed: _Count
    directory: Annotated[str, Field(pattern=r"^[^/\\]+$")]
    seconds: _Seconds = 0.0
    known: bool = False
    failed: str | None = None


class Dropped(_Part):
    """A row that gets no more seeds.

    Attributes:
        row: Its index in the plan.
        reason: Why, as the end of a sentence.
    """

    row: _Count
    reason: str


class Look(_Part):
    """A look that was taken.

    Attributes:
        dropped: Rows that get no more seeds after it.
        decided: Whether it decided the question.
        untested: Whether nothing could be tested, so that further seeds would not help.
        failed: Runs that had failed by then.
    """

    dropped: tuple[Dropped, ...] = ()
    decided: bool = False
    untested: bool = False
    failed: tuple[str, ...] = ()


class Plan(_Part):
    """What was planned, and how far it has come.

    Attributes:
        begun: When it was made, ISO 8601 in UTC.
        looks: Number of seeds at each look, ascending.
        first: The first seed; a plan after another one begins where that ended, as seeds are evidence only once.
        rates: Error rate of each look; together they err in 5 % at most.
        asked: What is to be decided, ``metric=dice`` for example.
        rows: What is compared.
        runs: Those that were started.
        taken: The looks taken.
        end: Why it ended; None while it goes on.
    """

    begun: str
    looks: Annotated[tuple[Annotated[int, Field(ge=2)], ...], Field(min_length=1, max_length=100)]
    rates: tuple[Annotated[float, Field(gt=0, lt=1)], ...]
    asked: tuple[str, ...]
    first: _Count = 0
    rows: Annotated[tuple[PlannedRow, ...], Field(min_length=1)]
    runs: tuple[PlannedRun, ...] = ()
    taken: tuple[Look, ...] = ()
    end: End | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if list(self.looks) != sorted(set(self.looks)) or len(self.rates) != len(self.looks):
            raise ValueError("looks are not ascending, each with its rate")
        if len(self.taken) > len(self.looks):
            raise ValueError("more looks were taken than planned")
        named = [run.row for run in self.runs] + [one.row for look in self.taken for one in look.dropped]
        if max(named, default=0) >= len(self.rows):
            raise ValueError("it names a row that there is not")
        return self

    @property
    def seeds(self) -> int:
        """Number of seeds at the latest look that was taken; 0 before the first."""
        return self.looks[len(self.taken) - 1] if self.taken else 0

    def known_at(self, look: int) -> range:
        """Return the seeds that a look knows, counted from 1; those of the first before any."""
        return range(self.first, self.first + self.looks[max(look, 1) - 1])

    @property
    def rate(self) -> float:
        """Error rate of the latest look that was taken, before any that of the first."""
        return self.rates[max(len(self.taken) - 1, 0)]

    @property
    def dropped(self) -> dict[int, int]:
        """Rows that get no more seeds, and the look after which, from 1."""
        return {one.row: number for number, look in enumerate(self.taken, 1) for one in look.dropped}

    @property
    def spent(self) -> float:
        """Seconds that its runs have taken, without those that were finished before."""
        return sum(run.seconds for run in self.runs if not run.known)

    def write(self, folder: Path) -> None:
        """Write it into the experiment's folder.

        Raises:
            OSError: If it cannot be written.
        """
        write_json(folder / FILE, self.model_dump(mode="json"))


def read_plan(path: Path) -> Plan:
    """Return a plan.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no plan.
    """
    value = read_json(path, LISTS)
    try:
        return Plan.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from None
