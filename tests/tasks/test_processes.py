"""Tables of several processes: each adds its images, and every one then has the table of all."""

import multiprocessing
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from torch import distributed, nn

from segbench.losses import CrossEntropy
from segbench.tasks import ClassificationTask, SegmentationTask
from segbench.tasks.evaluation import CountsTable
from segbench.tasks.gathering import decode, encode

NAMES = ("background", "heart", "aorta")
IMAGES = 7
# Which process sees which images, in batches: in turn; all but one by the first; nothing by the second.
SHARES = {
    "in turn": [[[0, 2], [4, 6]], [[1, 3], [5]]],
    "one left": [[[0, 1, 2, 3, 4, 5]], [[6]]],
    "nothing left": [[[6, 5], [4, 3, 2], [1, 0]], []],
}


def task_of(kind):
    return kind(nn.Identity(), CrossEntropy(), None, None, NAMES)


def batch_of(kind, chosen):
    """Images that are logits already, with their truth; of each number always the same."""
    shape = (6, 5) if kind is SegmentationTask else ()
    drawn = [torch.Generator().manual_seed(number) for number in chosen]
    truth = torch.stack([torch.randint(0, 3, shape, generator=generator) for generator in drawn])
    images = torch.stack([torch.randn(3, *shape, generator=generator) for generator in drawn])
    # Names of several lengths, in letters of several bytes.
    return {
        "image": images,
        "mask": truth,
        "label": truth,
        "id": ["ü" * number + f"image {number}" for number in chosen],
    }


def columns_of(batch):
    sums = batch["image"].sum(dim=(2, 3)).double().numpy()
    return {"sum": sums, "none": np.full_like(sums, np.nan)}


def evaluated(kind, batches):
    """The task's table of these batches, and what follows from it."""
    task = task_of(kind)
    table = task.new_table()
    for batch in batches:
        task.evaluate(batch, table)
        if kind is SegmentationTask:
            table.add_columns(columns_of(batch))
    return described(task, table)


def described(task, table):
    frame = table.frame("val", NAMES, dict.fromkeys(table.ids, "group"))
    return frame, task.validation_scores(table), task.final_scores(table)


def asked_in_between(kind, batches):
    """The table that was asked for after every batch."""
    task = task_of(kind)
    table = task.new_table()
    for batch in batches:
        task.evaluate(batch, table)
        found = described(task, table)
    return found


def worker(rank, rendezvous, how, kind, batches, result):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
    found = how(kind, batches)
    result.write_bytes(pickle.dumps(found))
    distributed.destroy_process_group()


@pytest.fixture
def together(tmp_path):
    """Evaluate in two processes; return what each has found."""

    def evaluate(kind, shares, how=evaluated):
        start = multiprocessing.get_context("fork").Process
        results = [tmp_path / f"{rank}.pickle" for rank in range(2)]
        batches = [[batch_of(kind, chosen) for chosen in share] for share in shares]
        processes = [
            start(target=worker, args=(rank, tmp_path / "meeting", how, kind, batches[rank], results[rank]))
            for rank in range(2)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(240)
        assert [process.exitcode for process in processes] == [0, 0]
        return [pickle.loads(result.read_bytes()) for result in results]

    return evaluate


def sorted_rows(frame):
    keys = ["id", "class_index"] if "class_index" in frame else ["id"]
    return frame.sort_values(keys, ignore_index=True)


# Each division and each task once every day, one with the other in CI.
EVERY_DAY = (("in turn", SegmentationTask), ("one left", SegmentationTask), ("nothing left", ClassificationTask))
CASES = [
    pytest.param(kind, share, marks=() if (share, kind) in EVERY_DAY else pytest.mark.slow)
    for kind in (SegmentationTask, ClassificationTask)
    for share in SHARES
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "share"), CASES)
def test_every_process_has_the_table_of_one(together, kind, share):
    frame, validation, final = evaluated(kind, [batch_of(kind, [number]) for number in range(IMAGES)])
    assert frame["id"].nunique() == IMAGES
    for other_frame, other_validation, other_final in together(kind, SHARES[share]):
        pd.testing.assert_frame_equal(sorted_rows(other_frame), sorted_rows(frame))
        assert other_validation == pytest.approx(validation)
        assert other_final == pytest.approx(final, nan_ok=True)


@pytest.mark.slow
def test_a_process_goes_on_with_its_own_images(together):
    """What was gathered is not gathered again: every image is there once."""
    for frame, *_ in together(SegmentationTask, SHARES["in turn"], asked_in_between):
        assert not frame.duplicated(["id", "class_index"]).any()
        assert len(frame) == IMAGES * len(NAMES)


def test_names_come_back_from_their_bytes():
    names = ["a", "", "ä 1,2", "b/c.png"]
    assert decode(encode(names)) == names
    assert decode(torch.cat([encode(names), encode([]), encode(["d"])])) == [*names, "d"]


def test_a_table_without_images_has_the_shapes_of_its_classes():
    table = CountsTable(3)
    assert (table.ids, table.sizes, table.columns, table.mean_loss) == ([], [], {}, 0)
    assert (table.counts.shape, table.confusion.shape) == ((0, 3, 4), (0, 3, 3))
    assert task_of(ClassificationTask).new_table().probabilities.shape == (0, 3)


def test_what_is_added_later_is_in_the_table_and_nothing_after_a_reset():
    table = CountsTable(3)
    confusion = torch.eye(3, dtype=torch.int64)[None]
    table.update(["a"], confusion, (1, 3))
    assert table.counts.shape == (1, 3, 4)
    table.update(["b"], confusion, (1, 3))
    assert table.ids == ["a", "b"]
    table.add_columns({"area": np.zeros((2, 3))})
    assert table.columns["area"].shape == (2, 3)
    table.reset()
    assert (table.ids, table.columns, len(table.counts)) == ([], {}, 0)


def test_a_table_adds_nothing_to_the_weights_of_a_task():
    task = task_of(SegmentationTask)
    task.evaluate(batch_of(SegmentationTask, [0, 1]), task.validation)
    assert not task.state_dict()
    assert not list(task.parameters())
