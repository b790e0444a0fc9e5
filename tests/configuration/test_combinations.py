"""What is refused before anything is built."""

import pytest
from omegaconf import OmegaConf
from torch import nn

from segbench.configuration.combinations import check_metric, check_monitor
from segbench.errors import ConfigError
from segbench.losses import CrossEntropy
from segbench.tasks import SegmentationTask


class Cells:
    """As much of a data module as the checks read."""

    name, task, unit = "cells", "segmentation", "px"
    class_names = ("background", "cell", "cell border")
    foreground = class_names[1:]

    def score_columns(self):
        return ()


def settings(monitor="val/loss", metric="dice"):
    trainer = {"monitor": monitor, "early_stopping": 10}
    return OmegaConf.create(
        {"trainer": trainer, "data": {}, "scheduler": None, "scores": {}, "comparison": {"metric": metric}}
    )


def test_the_iou_of_a_class_can_be_monitored():
    names = SegmentationTask(nn.Identity(), CrossEntropy(), None, None, Cells.class_names).metric_names()
    check_monitor(settings("val/iou_cell"), names)
    check_monitor(settings("val/iou_cell border"), names)
    with pytest.raises(ConfigError, match="trainer.monitor=val/iou_cel: no such score; did you mean val/iou_cell"):
        check_monitor(settings("val/iou_cel"), names)


@pytest.mark.parametrize("metric", ["iou_cell", "iou_cell border", "iou_cell_border", "iou"])
def test_the_iou_of_a_class_can_decide(metric):
    check_metric(settings(metric=metric), Cells())


@pytest.mark.parametrize("metric", ["iou_sell", "seg", "object_f1", "object_f1_cell"])
def test_scores_that_the_data_lacks_are_refused(metric):
    with pytest.raises(ConfigError, match=f"comparison.metric={metric}: no such score of cells"):
        check_metric(settings(metric=metric), Cells())
