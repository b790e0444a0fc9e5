"""What differs between runs: the comparison's factors, the seed, and nothing else, or the runs are not comparable."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from segbench.errors import ConfigError
from segbench.reporting.collection.runs import Run
from segbench.reporting.collection.same_data import data_mark, split_mark
from segbench.reporting.collection.tuned import tuned_keys
from segbench.reporting.collection.variants import VARIANT
from segbench.runs.bounded import parse_yaml
from segbench.runs.identity import IRRELEVANT, LATER
from segbench.runs.settings import COUNTS, PROCESSES, flatten, is_under
from segbench.words import listed, plural

UNKNOWN = "?"
# Keys that a refusal lists where the runs part alike.
MOST_KEYS = 12
ABSENT = "–"
# Not a key of the configuration, but of a finished run's summary: which data lay behind its data settings.
FINGERPRINT, SPLIT = "data.fingerprint", "data.split_digest"
# What runs of equal settings may differ in yet: what is equal where they do not, and what is said of two that do.
_MARKS: Mapping[str, tuple[Callable[[Mapping[str, Any]], str], str]] = MappingProxyType(
    {
        FINGERPRINT: (data_mark, "read different files by equal settings"),
        SPLIT: (split_mark, "split their images differently by equal settings"),
    }
)
# What says how the data is used, not what is read.
_USE_OF_DATA = ("data.batch_size", "data.split", "data.split_by", "data.split_seed")
# What says which data is read.
_DATA_SET = ("data._target_", "data.root", "data.images", "data.masks", "data.table", "data.name")
# Of the runs that share a value, in a refusal.
MOST_NAMED = 8
# What names a run; and where a group is chosen whose keys cannot change a result.
NAMES = ("name", "id", "experiment", "run_name", "experiment_name", "seed")


def factor_value(run: Run, factor: str) -> Hashable:
    """Return a run's value of a factor: a choice of a group, else a key of its configuration, else an override.

    Returns:
        The value; :data:`ABSENT` where a configuration lacks the key, :data:`UNKNOWN` where there is none to look in.
    """
    if factor in _MARKS and run.state == "done":
        mark, _ = _MARKS[factor]
        return (mark(run.summary) or ABSENT)[:8]
    if factor in run.choices:
        return run.choices[factor]
    if run.config:
        flat = run.settings
        if factor in flat or factor in LATER:
            return flat.get(factor, LATER.get(factor))
        inside = {key: value for key, value in flat.items() if key.startswith(f"{factor}.")}
        return json.dumps(inside, default=str) if inside else ABSENT
    values = [text.partition("=")[2] for text in run.overrides if text.partition("=")[0].lstrip("+") == factor]
    try:
        return flatten({"value": parse_yaml(values[-1])}).get("value", UNKNOWN) if values else UNKNOWN
    except ValueError:
        return UNKNOWN


def fits(run: Run, where: Mapping[str, Any]) -> bool:
    """Tell whether a run has these values of factors."""
    return all(factor_value(run, str(key)) == value for key, value in where.items())


def show_value(value: Hashable) -> str:
    """Return a factor's value as it stands in tables: ``none`` for null, numbers as short as they are exact."""
    if value is None:
        return "none"
    text = f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def other_differences(runs: Sequence[Run], factors: Iterable[str]) -> list[str]:
    """Return what differs between the runs besides the factors and the seed.

    A key is accounted for when it is a factor; when it lies in a group that is a factor and that group's choice alone
    decides it (``model.width`` under ``model``, unless one network was trained in two widths); when a variant that is a
    factor decides it, whatever its group; when it was tuned and all runs of a row have the same value; when it repeats
    the seed; or when it cannot change a result (``segbench.runs.identity.IRRELEVANT``). The number of processes, where
    it can, is accounted for by the keys of which it is made.

    Data settings are only names for files, so what was read is compared too, among runs of equal settings.

    Returns:
        Group names (where the choice differs) and dotted keys, sorted. A differing group stands for the keys that it
        decides.
    """
    runs = [run for run in runs if run.config]
    factors = list(factors)
    flats = [run.comparable for run in runs]
    columns = {
        key: [flat.get(key, ABSENT) for flat in flats] for key in dict.fromkeys(key for flat in flats for key in flat)
    }
    differing = {
        key: values
        for key, values in columns.items()
        if matters(key) and _differs(values) and not _repeats_seed(key, values, runs)
    }
    counts = [tuple(factor_value(run, factor) for factor in factors if factor in COUNTS) for run in runs]
    if any(counts) and _decided(counts, differing.get(PROCESSES, ())):
        differing.pop(PROCESSES, None)
    tuned = {key: differing.pop(key) for key in sorted(tuned_keys(runs) & differing.keys())}
    # A choice is only a name: another name for the same settings (but for the device, say) is no difference.
    named = dict.fromkeys(group for run in runs for group in run.choices)
    groups = {group: [run.choices.get(group) for run in runs] for group in named if matters(group)}
    variants = _variants_told_apart(groups, differing, factors)
    if VARIANT in (*factors, *variants):
        decided = {key for key, values in differing.items() if _decided(groups.get(VARIANT, ()), values)}
        differing = {key: values for key, values in differing.items() if key not in decided}
    found = [group for group, names in groups.items() if group not in factors and _differs(names)]
    found = [group for group in found if any(key.startswith(f"{group}.") for key in differing)] + variants
    for key, values in differing.items():
        above = [factor for factor in (*factors, *found) if key.startswith(f"{factor}.")]
        if key not in factors and not any(_decided(groups.get(group, []), values) for group in above):
            found.append(key)
    rows = [tuple(factor_value(run, factor) for factor in (*factors, *found)) for run in runs]
    found += [key for key, values in tuned.items() if key not in factors and not _decided(rows, values)]
    found += [factor for factor in _MARKS if factor not in factors and _told_apart(runs, factor)]
    return sorted(found)


def require_comparable(runs: Sequence[Run], factors: Sequence[str], mix: bool) -> list[str]:
    """Return the factors of the rows, or refuse runs that differ in something else.

    Args:
        runs: The finished runs.
        factors: The comparison's factors.
        mix: Take whatever else differs as further factors instead of refusing it.

    Raises:
        ConfigError: If something besides factors and seed differs and ``mix`` is false; the keys are named, and which
            runs have which values.
    """
    others = other_differences(runs, factors)
    if others and not mix:
        raise ConfigError(
            f"{runs[0].directory.parent}: the runs differ in {'; in '.join(_who_has_what(runs, others))}; besides"
            f" {', '.join(factors)} and seed they must be alike: name the run directories to compare, or give --mix to"
            " make these differences rows of the table"
        )
    return [*factors, *others]


def require_one_data_set(runs: Sequence[Run]) -> None:
    """Refuse finished runs of several data sets, as unnamed sweeps leave them in one folder: no score is of both.

    Data sets are two where both the files and their names in the configuration differ: sizes, crops or splits do not
    make another, nor does a folder that was moved.

    Raises:
        ConfigError: Names the data sets and what to do.
    """
    sets: dict[tuple[Hashable, ...], list[Run]] = {}
    for run in runs:
        if data_mark(run.summary):
            sets.setdefault(tuple(run.settings.get(key) for key in _DATA_SET), []).append(run)
    if len(sets) < 2 or len({data_mark(found[0].summary) for found in sets.values()}) < 2:
        return
    one, other = list(sets)[:2]
    key = next(index for index in range(len(_DATA_SET)) if one[index] != other[index])
    shown = [f"{plural(len(members), 'run')} of {_DATA_SET[key]}={value[key]}" for value, members in sets.items()]
    raise ConfigError(
        f"{runs[0].directory.parent}: {listed(shown, 4)}: scores of different data say nothing of each other; name the"
        " run directories of one, or give --mix for a table of all; paths.outputs=outputs/<name> gives each its folder"
    )


def _who_has_what(runs: Sequence[Run], keys: Sequence[str]) -> list[str]:
    """Return ``optimizer.lr (0.001: run a, run b / 0.01: run c)``; keys that part the runs alike stand together."""
    runs = [run for run in runs if run.config]
    parted: dict[tuple[tuple[int, ...], ...], list[str]] = {}
    for key in keys:
        if key not in _MARKS:
            members: dict[tuple[bool, Hashable], list[int]] = {}
            for index, run in enumerate(runs):
                value = _value(run, key)
                members.setdefault((type(value) is bool, value), []).append(index)
            parted.setdefault(tuple(map(tuple, members.values())), []).append(key)
    found = []
    for groups, every in parted.items():
        together, more = every[:MOST_KEYS], len(every) - MOST_KEYS
        values = [", ".join(show_value(_value(runs[having[0]], key)) for key in together) for having in groups]
        names = [listed([runs[index].name for index in having], MOST_NAMED) for having in groups]
        shown = " / ".join(f"{value}: {name}" for value, name in zip(values, names, strict=True))
        found.append(f"{', '.join(together)}{f' and {more} further keys' if more > 0 else ''} ({shown})")
    return [*found, *(f"{key} ({_told_apart(runs, key)})" for key in keys if key in _MARKS)]


def _value(run: Run, key: str) -> Hashable:
    return run.choices[key] if key in run.choices else run.comparable.get(key, ABSENT)


def _told_apart(runs: Sequence[Run], factor: str) -> str:
    """Name two runs of equal settings that one of :data:`_MARKS` tells apart; empty where it tells none."""
    mark, said = _MARKS[factor]
    use = _USE_OF_DATA if factor == FINGERPRINT else ()
    first: dict[Any, Run] = {}
    for run in runs:
        settings = (item for item in run.settings.items() if item[0].startswith("data.") and item[0] not in use)
        read = frozenset((key, value) for key, value in settings if matters(key))
        found = mark(run.summary)
        if found and mark(first.setdefault(read, run).summary) != found:
            return f"{first[read].name} and {run.name} {said}"
    return ""


def matters(key: str) -> bool:
    """Tell whether a key of the configuration, or a group, can change a result."""
    return not is_under(key, (*IRRELEVANT, *NAMES))


def _differs(values: Iterable[Any]) -> bool:
    return len({(type(value) is bool, value) for value in values}) > 1


def _repeats_seed(key: str, values: Sequence[Any], runs: Sequence[Run]) -> bool:
    named = "seed" in key.rpartition(".")[2]
    return named and all(value == run.seed for value, run in zip(values, runs, strict=True))


def _variants_told_apart(
    groups: dict[str, list[str | None]], differing: dict[str, list[Hashable]], factors: Sequence[str]
) -> list[str]:
    """Return the variant where every run has one, no factor names it, and it decides what differs besides factors.

    Where some runs have none it is what a link was called elsewhere, and the keys say more.
    """
    names = groups.get(VARIANT, [])
    if VARIANT in factors or None in names or not _differs(names):
        return []
    open_keys = [key for key in differing if not is_under(key, factors)]
    return [VARIANT] if any(_decided(names, differing[key]) for key in open_keys) else []


def _decided(choices: Sequence[Any], values: Sequence[Any]) -> bool:
    """Say whether equal choices always come with equal values."""
    decided: dict[Any, Any] = {}
    pairs = zip(choices, values, strict=False)
    return bool(choices) and all(decided.setdefault(choice, value) == value for choice, value in pairs)
