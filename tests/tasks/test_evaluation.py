import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from segbench.runs.scores_file import read_scores, write_scores
from segbench.runs.split_scores import About
from segbench.scores.counts import confusion_matrices, counts
from segbench.tasks import evaluation
from segbench.tasks.evaluation import CountsTable


def filled(classes=3, images=4):
    generator = torch.Generator().manual_seed(0)
    prediction, truth = torch.randint(0, classes, (2, images, 6, 5), generator=generator)
    table = CountsTable(classes)
    for start in range(0, images, 2):
        confusion = confusion_matrices(prediction[start : start + 2], truth[start : start + 2], classes)
        table.update([f"i{number}" for number in range(start, start + 2)], confusion, (6, 5), torch.tensor(0.5))
    return table, confusion_matrices(prediction, truth, classes)


def written(table, path, classes=3):
    names = [f"c{index}" for index in range(classes)]
    write_scores(path, [table.frame("test", names, {name: name for name in table.ids})], About("segmentation"))
    return read_scores(path)["test"]


def test_the_confusion_of_classes_comes_back_from_the_file(tmp_path):
    table, confusion = filled()
    read = written(table, tmp_path / "scores.parquet")
    assert read.counts.tolist() == counts(confusion).tolist()
    assert read.confusion.tolist() == confusion.sum(dim=0).tolist()
    assert table.mean_loss == pytest.approx(0.5)


def test_of_two_classes_it_follows_from_the_counts(tmp_path):
    table, confusion = filled(classes=2)
    assert written(table, tmp_path / "new.parquet", 2).confusion.tolist() == confusion.sum(dim=0).tolist()
    old = pd.read_parquet(tmp_path / "new.parquet").drop(columns=["predicted_0", "predicted_1"])
    write_scores(tmp_path / "old.parquet", [old], About("segmentation"))
    assert read_scores(tmp_path / "old.parquet")["test"].confusion.tolist() == confusion.sum(dim=0).tolist()


def test_of_many_classes_only_the_counts_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluation, "MOST_CONFUSED", 2)
    table, confusion = filled()
    read = written(table, tmp_path / "scores.parquet")
    assert read.confusion is None
    assert read.counts.tolist() == counts(confusion).tolist()


def test_a_confusion_that_does_not_add_up_is_refused(tmp_path):
    table, _ = filled()
    written(table, tmp_path / "scores.parquet")
    frame = pd.read_parquet(tmp_path / "scores.parquet")
    frame.loc[0, ["predicted_0", "predicted_1"]] = frame.loc[0, ["predicted_1", "predicted_0"]].tolist()
    with pytest.raises(ValueError, match="test: the confusion of classes does not add up"):
        write_scores(tmp_path / "scores.parquet", [frame], About("segmentation"))
    file = pq.read_table(tmp_path / "scores.parquet")
    damaged = pa.Table.from_pandas(frame).replace_schema_metadata(file.schema.metadata)
    pq.write_table(damaged, tmp_path / "scores.parquet")
    with pytest.raises(ValueError, match="test: the confusion of classes does not add up"):
        read_scores(tmp_path / "scores.parquet")
