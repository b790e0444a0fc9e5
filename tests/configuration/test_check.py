"""Whether parts fit each other is asked of the parts, before anything is built or read."""

from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from segbench.configuration.check import check_comparison, check_parts
from segbench.errors import ConfigError
from segbench.tasks import SegmentationTask

CLASSES = ("background", "cell", "cell border")
DATA = SimpleNamespace(class_names=CLASSES, column_scores=dict)


@pytest.mark.parametrize("metric", ["iou_cell", "iou_cell border", "iou_cell_border", "iou"])
def test_the_iou_of_a_class_can_decide(metric):
    check_comparison(OmegaConf.create({"metric": metric}), "cells", SegmentationTask.scores(DATA))


@pytest.mark.parametrize("metric", ["iou_sell", "seg", "object_f1", "object_f1_cell"])
def test_scores_that_the_data_lacks_are_refused(metric):
    with pytest.raises(ConfigError, match=f"comparison.metric={metric}: no such score of cells"):
        check_comparison(OmegaConf.create({"metric": metric}), "cells", SegmentationTask.scores(DATA))


def test_scores_of_objects_are_of_the_classes_that_the_data_names():
    objects = SimpleNamespace(class_names=CLASSES, column_scores=lambda: {"object_f1": ("cell",)})
    scores = SegmentationTask.scores(objects)
    check_comparison(OmegaConf.create({"metric": "object_f1_cell"}), "cells", scores)
    claims = [{"text": "a"}, {"text": "b", "metric": "object_f1_cell_border"}]
    with pytest.raises(ConfigError, match=r"^comparison.claims\[1\].metric=object_f1_cell_border: no such score of"):
        check_comparison(OmegaConf.create({"metric": "dice", "claims": claims}), "cells", scores)


def test_a_claim_may_be_about_what_training_shows_but_a_comparison_not():
    scores = SegmentationTask.scores(DATA)
    claims = [{"text": "a", "metric": "epochs_to_95"}, {"text": "b", "metric": "train_gap"}]
    comparison = OmegaConf.create({"metric": "dice", "claims": claims})
    check_comparison(comparison, "cells", scores, score_train=True)
    with pytest.raises(ConfigError, match=r"^comparison.claims\[1\].metric=train_gap: needs data.score_train=true$"):
        check_comparison(comparison, "cells", scores)
    with pytest.raises(ConfigError, match=r"^comparison.claims\[0\].metric=epochs_to_95: needs validation images"):
        check_comparison(comparison, "cells", scores, score_train=True, validates=False)
    with pytest.raises(ConfigError, match="comparison.metric=epochs_to_95: no such score of cells"):
        check_comparison(OmegaConf.create({"metric": "epochs_to_95"}), "cells", scores)


def test_every_part_is_asked(compose, tmp_path):
    """A part that refuses is heard, whichever it is; what fits passes."""

    def asked(refusing):
        def part(which, **options):
            def check(*arguments):
                if refusing == which:
                    raise ConfigError(f"{which} was asked")

            return SimpleNamespace(check=check, **options)

        data = part("data", name="d", class_names=CLASSES, background=True, validates=True, scores={}, unit="px")
        data.own_scores = list
        data.augmentation = part("augmentation")
        names = SegmentationTask.metric_names
        task = part("task", count_joint_outputs=lambda *_: 3, metric_names=names, scores=lambda _: {})
        check_parts(compose(f"paths.outputs={tmp_path}"), data, task, part("loss"))

    asked(None)
    for name in ("task", "loss", "augmentation"):
        with pytest.raises(ConfigError, match=f"^{name} was asked$"):
            asked(name)
