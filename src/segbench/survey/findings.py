"""What a survey says to look at: each with its number, the images, why it is suspect, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from segbench.masks import MaskKey
from segbench.survey.classes import Share, shared_groups
from segbench.survey.copies import Copies, Pair
from segbench.survey.drawing import Shot
from segbench.survey.images import ImageFacts
from segbench.survey.misfits import MaskFits, Misfit
from segbench.survey.outliers import Exposure, Specks
from segbench.words import listed, plural

# Of a finding with many images, how many are named and shown.
_SHOWN = 6
# Empty masks are worth a look where they are few.
_RARE = 0.05


@dataclass(frozen=True)
class Finding:
    """Something to look at.

    Attributes:
        kind: A word for tests and tables.
        title: What was found, with the number.
        why: Why it is suspect, in a sentence.
        do: What to do.
        images: Ids of the images.
        shots: The pictures that show it.
    """

    kind: str
    title: str
    why: str
    do: str
    images: tuple[str, ...] = ()
    shots: tuple[Shot, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """Everything that findings are made of."""

    facts: Sequence[ImageFacts]
    shares: Sequence[Share]
    key: MaskKey
    masks: bool
    copies: Copies
    fits: MaskFits
    exposures: Sequence[Exposure]
    specks: Sequence[Specks]
    volumes: bool
    by_index: dict[int, ImageFacts] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_index", {item.index: item for item in self.facts})

    def name(self, index: int) -> str:
        """Return the id of a record."""
        return self.by_index[index].id

    def place(self, index: int) -> str:
        """Return the id of a record and, where that does not begin with it, its part of the split."""
        return placed(self.name(index), self.by_index[index].split)


def placed(name: str, split: str) -> str:
    """Return the id of an image and, where that does not begin with it, its part of the split."""
    return name if name.startswith(f"{split}/") else f"{name} ({split})"


def all_findings(evidence: Evidence) -> list[Finding]:
    """Return everything that is worth a look, what falsifies scores first."""
    makers: tuple[Callable[[Evidence], Iterable[Finding]], ...] = (
        _absent, _copies_across, _groups, _misfits, _same_masks, _exposures, _empty, _specks, _copies_within,
    )  # fmt: skip
    return [finding for make in makers for finding in make(evidence)]


def _absent(evidence: Evidence) -> Iterable[Finding]:
    named = {share.name: share for share in evidence.shares}
    what = "pixel" if evidence.masks else "image"
    for label, name in enumerate(evidence.key.names):
        has = [split for split, share in named.items() if share.pixels[label]]
        if "train" in has or not named["train"].images:
            continue
        holding = [item for item in evidence.facts if evidence.key.count(item.values)[label]]
        if has:
            why = (
                f"It occurs in {plural(len(holding), 'image')} ({listed(has)}), so it is scored, but cannot be learned."
            )
            do = "Move images with it to training, or leave the class out."
        else:
            why, do = "It occurs in no image at all.", "Check the class's stored value, or leave the class out."
        yield Finding(
            "class missing from training",
            f"{name}: no training {what}",
            why,
            do,
            tuple(item.id for item in holding),
            tuple(Shot(item.index, evidence.place(item.index)) for item in holding[:_SHOWN]),
        )


# Kind, what was found, why and what to do, of pairs that are equal and of those that nearly are.
_ACROSS = (
    (
        "duplicates across the split",
        "equal to one in another part of the split",
        "All pixels are equal. Scores on images that were trained on say nothing about new ones.",
        "Remove the copies (data.on_duplicates=error then refuses new ones), or give them one group.",
    ),
    (
        "near copies across the split",
        "nearly equal to one in another part of the split",
        "They look like copies saved again, or frames of one scene; then scores on them are too good.",
        "If they belong together, give them one group (data.group, or a column group in data.table).",
    ),
)
_WITHIN = (
    (
        "duplicates",
        "equal to another in the same part of the split",
        "All pixels are equal. They count twice, and a different split would put them on both sides.",
        "Remove the copies.",
    ),
    (
        "near copies",
        "nearly equal to one of another group",
        "A different split, or folds, would put them on both sides.",
        "If they belong together, give them one group.",
    ),
)


def _copies_across(evidence: Evidence) -> Iterable[Finding]:
    return _copies(evidence, _ACROSS, True)


def _copies_within(evidence: Evidence) -> Iterable[Finding]:
    return _copies(evidence, _WITHIN, False)


def _copies(evidence: Evidence, words: Sequence[tuple[str, str, str, str]], across: bool) -> Iterable[Finding]:
    for (kind, how, why, do), pairs in zip(words, (evidence.copies.equal, evidence.copies.near), strict=True):
        if found := _apart(evidence, pairs, across):
            yield _pairs(evidence, kind, f"{plural(len(found), 'image')} {how}", why, do, found)


def _apart(evidence: Evidence, pairs: Sequence[Pair], across: bool) -> list[tuple[int, int]]:
    """Return the records of pairs that are, or are not, in two parts of the split."""
    facts = evidence.facts
    return [(facts[a].index, facts[b].index) for a, b in pairs if (facts[a].split != facts[b].split) is across]


def _pairs(evidence: Evidence, kind: str, title: str, why: str, do: str, pairs: Sequence[tuple[int, int]]) -> Finding:
    shots = [Shot(index, evidence.place(index)) for pair in pairs[: _SHOWN // 2] for index in pair]
    names = tuple(f"{evidence.place(second)} = {evidence.place(first)}" for first, second in pairs)
    return Finding(kind, title, why, do, names, tuple(shots))


def _groups(evidence: Evidence) -> Iterable[Finding]:
    shared = shared_groups(evidence.facts)
    if shared:
        yield Finding(
            "groups in several parts",
            f"{plural(len(shared), 'group')} in several parts of the split",
            "Images of one group (a patient, a car) resemble each other, so scores on them are too good.",
            "Keep groups together: data.split_by=group, or this data set's own option for that.",
            tuple(f"{group} ({listed(parts)})" for group, parts in shared.items()),
        )


def _misfits(evidence: Evidence) -> Iterable[Finding]:
    usual = f"most masks here have {evidence.fits.median:.2f}"
    words = {
        "shifted": ("mask", "shifted", "Contours lie on edges only when the mask is moved", "Compare with the source"),
        "turned": ("mask", "turned or mirrored", "Contours lie on edges only when the mask is turned", "Save it again"),
        "swapped": ("pair", "swapped", "Each mask fits the other's image better than its own", "Check which is whose"),
        "other's": ("mask", "of another image", "Another mask fits the image better", "Check which is whose"),
    }
    for kind, (unit, how, because, do) in words.items():
        mine = [misfit for misfit in evidence.fits.misfits if misfit.kind == kind]
        if not mine:
            continue
        what = plural(len(mine), unit) + (" of masks" if unit == "pair" else "")
        first = mine[0]
        yield Finding(
            f"masks {kind}" if kind != "other's" else "masks of other images",
            f"{what} {'seems' if len(mine) == 1 else 'seem'} {how}",
            f"{because} (score {first.score:.2f} as it is, {first.better:.2f} then; {usual}).",
            f"{do}; if a mask is right, leave it.",
            tuple(_told(evidence, misfit) for misfit in mine),
            tuple(shot for misfit in mine[: _SHOWN // 2] for shot in _before_and_after(evidence, misfit)),
        )


def _told(evidence: Evidence, misfit: Misfit) -> str:
    name = evidence.place(misfit.image)
    if misfit.kind == "shifted":
        rows, columns = misfit.shift
        down = f"{abs(rows)} px {'down' if rows > 0 else 'up'}"
        right = f"{abs(columns)} px {'right' if columns > 0 else 'left'}"
        return f"{name}: fits {' and '.join(part for part, by in ((down, rows), (right, columns)) if by)}"
    if misfit.kind == "turned":
        return f"{name}: fits {misfit.turn}"
    return f"{name} and {evidence.place(misfit.other)}"


def _before_and_after(evidence: Evidence, misfit: Misfit) -> list[Shot]:
    index, other = misfit.image, misfit.other
    name = evidence.place(index)
    before = Shot(index, f"{name} as it is")
    if misfit.kind == "shifted":
        return [before, Shot(index, f"{name}, mask moved", shift=misfit.shift)]
    if misfit.kind == "turned":
        return [before, Shot(index, f"{name}, mask {misfit.turn}", turn=misfit.turn)]
    found = [before, Shot(index, f"{name}, mask of {evidence.name(other)}", mask=other)]
    if misfit.kind == "swapped":
        back = f"{evidence.place(other)}, mask of {evidence.name(index)}"
        found += [Shot(other, f"{evidence.place(other)} as it is"), Shot(other, back, mask=index)]
    return found


def _same_masks(evidence: Evidence) -> Iterable[Finding]:
    pairs = [(evidence.facts[a].index, evidence.facts[b].index) for a, b in evidence.copies.same_masks]
    if pairs:
        yield _pairs(
            evidence,
            "one mask for several images",
            f"{plural(len(pairs), 'image')} with the mask of another image",
            "The images differ but their masks are equal pixel by pixel.",
            "Check whether a mask was saved under two names.",
            pairs,
        )


def _exposures(evidence: Evidence) -> Iterable[Finding]:
    found = evidence.exposures
    if found:
        first = found[0]
        yield Finding(
            "exposure",
            f"{plural(len(found), 'image')} exposed unlike all others",
            f"{evidence.name(first.image)}: {first.what} ({first.value:.2f} of the range; the median image has"
            f" {first.usual:.2f}), {first.clipped:.0%} of its pixels at the ends of the range.",
            "Check the exposure or the conversion to 8 bits; leave out what is spoiled.",
            tuple(f"{evidence.place(item.image)}: {item.what}" for item in found),
            tuple(Shot(item.image, f"{evidence.place(item.image)}: {item.what}") for item in found[:_SHOWN]),
        )


def _empty(evidence: Evidence) -> Iterable[Finding]:
    empty = [index for share in evidence.shares for index in share.empty]
    # Slices beyond the end of an organ are empty as a matter of course.
    if empty and not evidence.volumes and len(empty) <= _RARE * len(evidence.facts):
        yield Finding(
            "empty masks",
            f"{plural(len(empty), 'mask')} without any foreground",
            f"{len(evidence.facts) - len(empty)} of {len(evidence.facts)} masks have some: was this one not drawn yet?"
            if len(empty) == 1
            else f"The other {len(evidence.facts) - len(empty)} masks have some: were these not drawn yet?",
            "If nothing is to be seen there, leave them; otherwise draw them or leave the images out.",
            tuple(evidence.place(index) for index in empty),
            tuple(Shot(index, evidence.place(index)) for index in empty[:_SHOWN]),
        )


def _specks(evidence: Evidence) -> Iterable[Finding]:
    for specks in evidence.specks:
        name = evidence.key.names[specks.label]
        yield Finding(
            "specks",
            f"{name}: {plural(len(specks.where), 'object')} of at most {plural(specks.largest, 'pixel')}",
            f"Half of this class's objects have more than {specks.usual:.0f} pixels; smaller ones than this are often"
            " slips of the pen.",
            "Delete what is one: it counts as an object, and distorts distances between surfaces.",
            tuple(dict.fromkeys(evidence.place(index) for index, _ in specks.where)),
            tuple(Shot(index, evidence.place(index), box=box) for index, box in specks.where[:_SHOWN]),
        )
