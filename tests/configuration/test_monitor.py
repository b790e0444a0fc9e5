"""What decides the best epoch exists, and is better the way it should be."""

import pytest
from omegaconf import OmegaConf

from segbench.configuration.monitor import check_monitor, monitor_mode
from segbench.errors import ConfigError
from segbench.tasks import ClassificationTask, SegmentationTask

NAMES = SegmentationTask.metric_names(("background", "cell", "cell border"))


def settings(monitor):
    return OmegaConf.create({"trainer": {"monitor": monitor, "early_stopping": 10}, "scheduler": None})


def test_the_iou_of_a_class_can_be_monitored():
    check_monitor(settings("val/iou_cell"), NAMES, validates=True)
    check_monitor(settings("val/iou_cell border"), NAMES, validates=True)
    with pytest.raises(ConfigError, match="trainer.monitor=val/iou_cel: no such score; did you mean val/iou_cell"):
        check_monitor(settings("val/iou_cel"), NAMES, validates=True)


def test_nothing_can_be_monitored_where_nothing_is_validated():
    with pytest.raises(ConfigError, match="no validation images are left to score; set trainer.monitor=last"):
        check_monitor(settings("val/dice"), NAMES, validates=False)


def test_a_loss_is_better_when_it_is_lower_and_a_class_with_such_a_name_is_not():
    assert monitor_mode("val/loss") == "min"
    assert monitor_mode("val/dice_a/loss") == "max"
    names = SegmentationTask.metric_names(("background", "bone loss")) + ClassificationTask.metric_names(
        ("loss", "gain")
    )
    assert "val/dice_bone loss" in names
    assert {monitor_mode(name) for name in names if name != "val/loss"} == {"max"}
