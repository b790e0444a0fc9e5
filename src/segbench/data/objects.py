"""Data whose foreground consists of objects (glands, cells) that are scored individually at the end."""

from __future__ import annotations

from segbench.data.segmentation import SegmentationData
from segbench.scores.columns import ScoreColumns
from segbench.scores.objects import ObjectScores
from segbench.scores.seg import SegScores


class ObjectData(SegmentationData):
    """The base of a data module whose ``object_classes`` are made of objects: the final evaluation scores these too."""

    def own_scores(self) -> list[ScoreColumns]:
        """Return the scores of objects."""
        return [ObjectScores(self.object_classes), SegScores(self.object_classes)]
