"""What was found of one's own images before a network is built, and what predicting new ones needs of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from segbench.data.folder.forms import Form
from segbench.data.folder.sizes import Fit
from segbench.data.intensity import Intensity


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
        """Return the facts as plain values, for the cache's key."""
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
