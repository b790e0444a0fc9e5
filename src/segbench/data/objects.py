"""Data whose foreground consists of objects (glands, cells) that are scored individually at the end."""

from __future__ import annotations

from segbench.data.segmentation import SegmentationData
from segbench.scores.columns import ScoreColumns
from segbench.scores.objects import ObjectScores
from segbench.scores.seg import SegScores


class ObjectData(SegmentationData):
    """The base of data modules whose ``object_classes`` consist of objects: the final evaluation scores these too."""

    def told_apart(self) -> tuple[str, ...]:
        """Return the classes of objects; none for regions."""
        return () if self.regions is not None else tuple(self.object_classes or self.foreground)

    def own_scores(self) -> list[ScoreColumns]:
        """Return the columns of object scores; none for regions, which are no objects."""
        if self.regions is not None:
            return []
        return [ObjectScores(self.object_classes), SegScores(self.object_classes)]
