"""The multi-label task: counts by hand and torchmetrics' scores, and what does not fit it."""

import numpy as np
import pytest
import torch
from torch import nn
from torchmetrics.functional import classification

from segbench.data.overlapping import OverlappingData
from segbench.data.plane import Plane
from segbench.errors import ConfigError
from segbench.losses import BCEDice
from segbench.models import UNet3Plus
from segbench.scores import SCORES, Convention, class_scores, mean_score
from segbench.scores.overlaps import unpack_bits
from segbench.tasks import MultilabelTask
from segbench.tasks.inference import masks_of, predict_on_grid
from segbench.tasks.windows import Windows

NAMES = ("a", "b", "c")
IMAGES = 5
THEIRS = {
    "dice": classification.multilabel_f1_score,
    "iou": classification.multilabel_jaccard_index,
    "precision": classification.multilabel_precision,
    "sensitivity": classification.multilabel_recall,
    "specificity": classification.multilabel_specificity,
    "accuracy": classification.multilabel_accuracy,
}


def task_of(network=None, **options):
    return MultilabelTask(
        network or nn.Identity(), BCEDice(), torch.optim.SGD, None, NAMES, background=False, **options
    )


def batch_of(seed, images=IMAGES):
    """Images that are their own logits, and a truth of which some pixels are not known."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(0, 2, (images, 3, 8, 6), generator=generator)
    logits = 2 * torch.randn(truth.shape, generator=generator) + 2.0 * truth - 1
    truth[(torch.rand(images, 1, 8, 6, generator=generator) < 0.1).expand_as(truth)] = 255
    return {"image": logits, "mask": truth, "id": [f"{seed}-{index}" for index in range(images)]}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", THEIRS)
def test_scores_are_those_of_torchmetrics(name, seed):
    task, batch = task_of(), batch_of(seed)
    table = task.new_table()
    task.evaluate(batch, table)
    options = {"num_labels": 3, "average": None, "ignore_index": 255}
    found = SCORES[name](table.counts)
    for image in range(IMAGES):
        # A probability is right at more than 1/2, as here.
        theirs = THEIRS[name](batch["image"][image][None], batch["mask"][image][None], **options)
        np.testing.assert_allclose(found[image], theirs.numpy(), rtol=1e-6)
    pooled = class_scores(table.counts, name, Convention(reduction="pooled", has_background=False))
    np.testing.assert_allclose(pooled, THEIRS[name](batch["image"], batch["mask"], **options).numpy(), rtol=1e-6)


def test_counts_by_hand_and_no_class_is_taken_for_another():
    task = task_of()
    logits = torch.full((1, 3, 1, 4), -1.0)
    logits[0, 0, 0, :2], logits[0, 1, 0, 1:] = 1, 1
    mask = torch.tensor([[[[1, 1, 1, 255]], [[0, 1, 1, 255]], [[0, 0, 0, 255]]]])
    table = task.new_table()
    prediction = task.evaluate({"image": logits, "mask": mask, "id": ["x"]}, table)
    assert prediction.long().tolist() == [[[[1, 1, 0, 0]], [[0, 1, 1, 1]], [[0, 0, 0, 0]]]]
    assert table.counts.tolist() == [[[2, 0, 1, 0], [2, 0, 0, 1], [0, 0, 0, 3]]]
    assert table.confusion is None
    rows = table.frame("test", NAMES, {"x": "g"})
    assert not [column for column in rows if column.startswith("predicted_")]
    assert rows["tp"].tolist() == [2, 2, 0]
    scores = task.final_scores(table)
    # Class c is neither there nor predicted: left out.
    assert scores["dice"] == pytest.approx((4 / 5 + 1) / 2)
    assert scores["micro_dice"] == pytest.approx(8 / 9)
    assert not {"pixel_accuracy", "miou"} & scores.keys()
    assert task.stored_masks(prediction).tolist() == [[[1, 3, 2, 2]]]
    assert task.stored_masks(mask).tolist() == [[[1, 3, 3, 255]]]


def test_what_is_logged_is_what_can_be_monitored_and_does_not_depend_on_the_batches():
    task = task_of()
    tables = []
    for size in (1, IMAGES):
        table = task.new_table()
        batch = batch_of(7)
        for start in range(0, IMAGES, size):
            task.evaluate({name: part[start : start + size] for name, part in batch.items()}, table)
        tables.append(table)
    scores = [task.validation_scores(table) for table in tables]
    assert sorted(scores[0]) == sorted(MultilabelTask.metric_names(NAMES, background=False))
    # The loss is a mean over the pixels of a batch that are not ignored.
    assert scores[0].pop("val/loss") == pytest.approx(scores[1].pop("val/loss"), rel=1e-2)
    assert scores[0] == scores[1]
    assert scores[0]["val/dice"] == mean_score(tables[0].counts, "dice", Convention(has_background=False))
    data = OverlappingData(cache_dir="nowhere")
    assert {f"val/{name}" for name in MultilabelTask.scores(data)} >= {"val/dice", "val/iou"}
    assert set(task.final_scores(tables[0])) <= {
        *MultilabelTask.scores(data),
        *(f"{score}_{label}" for score in ("dice", "iou") for label in NAMES),
    }


class Bias(nn.Module):
    """Logits of three classes: the image, its negative, and 1."""

    def __init__(self):
        super().__init__()
        self.one = nn.Parameter(torch.ones(1))

    def forward(self, image):
        return torch.cat([image, -image, image * 0 + self.one], dim=1)


def test_masks_come_back_to_a_grid_that_images_do_not_cover():
    task = task_of(Bias()).eval()
    image = torch.ones(2, 1, 4, 4)
    image[:, :, :2] = -1
    masks = masks_of(task, predict_on_grid(task, image, Plane((8, 4), (8, 4), (4, 4)), "32-true"))
    assert (masks.dtype, masks.shape) == (np.uint8, (2, 8, 4))
    # Outside there is nothing; inside c is everywhere, with a below and b above.
    assert masks[0, :, 0].tolist() == [0, 0, 6, 6, 5, 5, 0, 0]


def test_windows_give_what_whole_images_give_where_the_network_looks_at_single_pixels():
    torch.manual_seed(0)
    image = torch.randn(2, 1, 13, 11)
    whole, windowed = (task_of(Bias(), windows=found).eval() for found in (None, Windows(size=(6, 5))))
    with torch.no_grad():
        torch.testing.assert_close(windowed(image), whole(image))


def test_stored_predictions_say_what_was_counted():
    task, batch = task_of(), batch_of(3)
    table = task.new_table()
    prediction = task.evaluate(batch, table)
    again = task.count(unpack_bits(task.stored_masks(prediction), 3), unpack_bits(task.stored_masks(batch["mask"]), 3))
    np.testing.assert_array_equal(again.numpy(), table.counts)


def test_a_softmax_is_refused_and_every_class_has_a_logit():
    data = OverlappingData(cache_dir="nowhere")
    assert [MultilabelTask.count_outputs(name, data) for name in ("auto", "sigmoid")] == [3, 3]
    assert MultilabelTask.count_joint_outputs("auto", data) == 1
    with pytest.raises(ConfigError, match=r"^activation=softmax: classes of overlapping overlap; use activation=auto"):
        MultilabelTask.count_outputs("softmax", data)


def test_a_network_that_tells_which_foreground_is_there_is_refused():
    with pytest.raises(ConfigError, match=r"^model.classification=true: .*use false$"):
        task_of(UNet3Plus(1, 3, 2, classification=True))
    task_of(UNet3Plus(1, 3, 2, deep_supervision=True))


def test_side_outputs_are_trained_too():
    torch.manual_seed(0)
    task = task_of(UNet3Plus(1, 3, 2, deep_supervision=True))
    batch = {"image": torch.randn(2, 1, 19, 21), "mask": torch.randint(0, 2, (2, 3, 19, 21)), "id": ["x", "y"]}
    task.batch_loss(batch).backward()
    assert all(head.weight.grad.abs().sum() > 0 for head in task.network.side_heads)
