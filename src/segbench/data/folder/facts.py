"""What was found of one's own images before a network is built, and what predicting new ones needs of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from segbench.data.folder.classes import Classes
from segbench.data.folder.forms import ClassMasks, Form, InstanceMasks, OverlappingMasks
from segbench.data.folder.intensity import Intensity
from segbench.data.folder.sizes import Fit


@dataclass(frozen=True)
class Facts:
    """Channels, intensities, size and classes.

    Attributes:
        form: What masks become.
        channels: Channels of the images.
        intensity: How intensities are stored.
        fit: How images come to their common size.
    """

    form: Form
    channels: int
    intensity: Intensity
    fit: Fit

    def state(self) -> dict[str, Any]:
        """Return the facts as plain values, for checkpoints and for the cache's key."""
        classes = self.form.classes
        return {
            "names": list(classes.names),
            "labels": [[list(label) if isinstance(label, tuple) else label, i] for label, i in classes.labels.items()],
            "background": classes.background,
            "colours": None if classes.colours is None else list(classes.colours),
            "form": self.form.kind,
            "objects": None if self.form.objects is None else list(self.form.objects),
            "boundary": self.form.boundary,
            "channels": self.channels,
            "intensity": asdict(self.intensity),
            "fit": asdict(self.fit),
        }

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Facts:
        """Return the facts of :meth:`state`."""
        labels = {tuple(label) if isinstance(label, list) else label: index for label, index in state["labels"]}
        colours = None if state["colours"] is None else tuple(state["colours"])
        classes = Classes(tuple(state["names"]), labels, state["background"], colours)
        objects = None if state["objects"] is None else tuple(state["objects"])
        forms: dict[str, Form] = {
            "classes": ClassMasks(classes, objects),
            "instances": InstanceMasks(classes, state["boundary"]),
            "overlapping": OverlappingMasks(classes),
        }
        size = state["fit"]["size"]
        fit = Fit(**{**state["fit"], "size": None if size is None else tuple(size)})
        return cls(forms[state["form"]], state["channels"], Intensity(**state["intensity"]), fit)
