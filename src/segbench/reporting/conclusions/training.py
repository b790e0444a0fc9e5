"""How the runs were trained, in the reader's words: on how many images, how long, by which optimiser."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable

from segbench.reporting.collection.factors import flatten, show_value
from segbench.reporting.collection.runs import Run
from segbench.reporting.comparison.model import Comparison, number_of
from segbench.words import listed

_TARGET = re.compile(r'"_target_": "([^"]+)"')
# Albumentations' classes that choose among transforms, or do nothing.
_NONE = {"Compose", "NoOp", "OneOf", "OneOrOther", "Sequential", "SomeOf"}
_HELD = re.compile(r"\.(transforms|stages)(?=\.|$)")
_KEYS = (
    "trainer.max_epochs",
    "trainer.limit_train_batches",
    "trainer.early_stopping",
    "trainer.monitor",
    "data.batch_size",
)


def training_line(comparison: Comparison) -> list[str]:
    """Say on what, how long and by what the runs were trained, and which epoch is scored.

    Returns:
        One sentence; none where no configuration tells.
    """
    flats = [flatten(run.config) for run in comparison.done if run.config.get("trainer")]
    known = {
        key: sorted({show_value(flat[key]) for flat in flats if flat.get(key) is not None}, key=_numerically)
        for key in _KEYS
    }
    if not known["trainer.max_epochs"] or not known["trainer.monitor"]:
        return []
    epochs = known["trainer.max_epochs"]
    text = f"Trained {_images(comparison)}for {' or '.join(epochs)} epoch{'' if epochs == ['1'] else 's'}"
    if patience := known["trainer.early_stopping"]:
        text += f" at most (stopped after {' or '.join(patience)} without a better score)"
    if known["data.batch_size"]:
        sizes = ["all images" if size == "all" else size for size in known["data.batch_size"]]
        text += f" in batches of {' or '.join(sizes)}"
    if limits := known["trainer.limit_train_batches"]:
        whole = " or whole" if any(flat.get("trainer.limit_train_batches") is None for flat in flats) else ""
        text += f", an epoch cut to {' or '.join(limits)}{whole} (trainer.limit_train_batches)"
    for part in (_optimiser, _callbacks, _augmentation, _order):
        if said := _each(comparison.trained, part):
            text += f", {' or '.join(said)}"
    monitors = [
        "the last epoch" if name == "last" else f"the best epoch by {name}" for name in known["trainer.monitor"]
    ]
    return [f"{text}; scored at {' or '.join(monitors)}."]


def _images(comparison: Comparison) -> str:
    """Return ``on 96 images (6 cars) ``; empty where the runs do not say."""
    found = []
    for key in ("images", "groups"):
        parts = [run.summary.get("data", {}).get(key) for run in comparison.trained]
        counts = [part.get("train") for part in parts if isinstance(part, dict)]
        found.append(sorted({count for count in counts if type(count) is int}))
    images, groups = found
    if not images:
        return ""
    grouped = f" ({number_of(groups, comparison.group_name)})" if groups and groups != images else ""
    each = " a fold" if comparison.folds else ""
    return f"on {number_of(images, 'images')}{grouped}{each} "


def _each(runs: Iterable[Run], say: Callable[[Run], str]) -> list[str]:
    return sorted({said for run in runs if (said := say(run))}, key=_numerically)


def _optimiser(run: Run) -> str:
    """Return ``by Adam with learning rate 0.001 (cosine)``: the schedule by its choice, if it is not constant."""
    flat = run.settings
    if not flat.get("optimizer._target_"):
        return ""
    text = f"by {_last(flat['optimizer._target_'])}"
    if (rate := flat.get("optimizer.lr")) is not None:
        schedule = run.choices.get("scheduler", "constant")
        text += f" with learning rate {show_value(rate)}" + ("" if schedule == "constant" else f" ({schedule})")
    further = [(key, flat.get(f"optimizer.{key}")) for key in ("momentum", "weight_decay")]
    return text + "".join(f", {key.replace('_', ' ')} {show_value(value)}" for key, value in further if value)


def _augmentation(run: Run) -> str:
    """Return what changes the training images, by the names of the transforms or else of the choice."""
    if "augmentation._target_" not in run.settings:
        return ""
    flat = {key: value for key, value in run.settings.items() if key.startswith("augmentation.")}
    # What holds transforms changes no image itself: a pipeline, or a curriculum of pipelines.
    holding = {"augmentation"}
    for key, value in flat.items():
        # A number of stages holds nothing.
        ends = [found for found in _HELD.finditer(key) if found.end() < len(key) or str(value).startswith("[")]
        holding |= {key[: found.start()] for found in ends}
    steps = dict.fromkeys(
        name
        for key, value in flat.items()
        if key.removesuffix("._target_") not in holding
        for target in ([value] if key.endswith("._target_") else _TARGET.findall(str(value)))
        if (name := _last(target)) not in _NONE
    )
    if steps:
        staged = " in stages" if any(key.startswith("augmentation.stages.") for key in flat) else ""
        return f"augmented{staged} by {listed(list(steps), 6)}"
    name = run.choices.get("augmentation", "none")
    return "without augmentation" if name == "none" else f"augmentation {name}"


def _callbacks(run: Run) -> str:
    """Return the classes of callbacks that change the result, as averaged weights do."""
    named = re.compile(r"callbacks\.[^.]+\._target_")
    found = [_last(value) for key, value in run.settings.items() if named.fullmatch(key)]
    # Of a run that does not say which of them do, nothing is known.
    return f"with {listed(found)}" if found and run.unchanging else ""


def _order(run: Run) -> str:
    share = run.settings.get("data.oversample")
    return f"rare classes drawn more often (data.oversample={show_value(share)})" if share else ""


def _last(target: Hashable) -> str:
    return str(target).rpartition(".")[2]


def _numerically(text: str) -> tuple[float, str]:
    return (float(text), "") if text.replace(".", "").isdigit() else (0.0, text)
