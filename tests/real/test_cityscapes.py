"""Cityscapes: the real frames, and the benchmark's own evaluation of them."""

import numpy as np
import pytest
import torch
from PIL import Image

from segbench.data.cityscapes import CityscapesData
from segbench.scores import Convention, class_scores, mean_score
from segbench.scores.counts import confusion_matrices, counts

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def module(real_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    data = CityscapesData(root=str(real_data / "cityscapes"), cache_dir=folder, full_resolution_scores=True)
    data.setup()
    return data


def test_frames_splits_and_the_classes_that_lack(module):
    assert module.summary()["images"] == {"train": 6, "val": 4}
    assert module.summary()["groups"] == {"train": 1, "val": 3}
    assert module.frame_size == (1024, 2048)
    lacking = {name for name, pixels in zip(module.class_names, module.class_pixels, strict=True) if not pixels}
    assert lacking == {"truck", "bus", "train"}
    assert module.datasets["train"][0]["image"].shape == (3, 256, 512)


def test_labels_are_the_owners_train_ids_where_these_are_known(module):
    for frame, record in zip(
        module.volume_slices("val"), (module.records[i] for i in module.splits["val"]), strict=True
    ):
        theirs = np.asarray(Image.open(str(record.mask).replace("labelIds", "labelTrainIds")))
        assert np.array_equal(frame.truth()[0], theirs)


def test_the_tiny_frame_is_a_data_set_of_its_own_size(real_data, tmp_path):
    data = CityscapesData(root=str(real_data / "cityscapes" / "tiny"), cache_dir=tmp_path)
    with pytest.raises(Exception, match="leftImg8bit/train"):
        data.setup()


def predicted(truth, seed):
    """A prediction in train ids that is often right: the truth moved, with blocks of other classes, wrong in void."""
    chance = np.random.default_rng(seed)
    moved = np.roll(np.where(truth == 255, chance.integers(0, 19), truth), (7, 23), (0, 1))
    blocks = np.kron(chance.integers(0, 19, (32, 64)), np.ones((32, 32), int))
    return np.where(np.kron(chance.random((32, 64)) < 0.15, np.ones((32, 32), bool)), blocks, moved).astype(np.uint8)


@pytest.fixture(scope="module")
def predictions(module):
    """Frames of both splits: label file, truth and prediction in train ids."""
    frames = [frame for split in ("train", "val") for frame in module.volume_slices(split)]
    records = [module.records[index] for split in ("train", "val") for index in module.splits[split]]
    truths = [frame.truth()[0] for frame in frames]
    return [
        (record.mask, truth, predicted(truth, seed))
        for seed, (record, truth) in enumerate(zip(records, truths, strict=True))
    ]


@pytest.fixture(scope="module")
def table(predictions):
    pairs = ((torch.from_numpy(guess[None]), torch.from_numpy(truth[None]).long()) for _, truth, guess in predictions)
    return counts(torch.cat([confusion_matrices(guess, truth, 19) for guess, truth in pairs])).numpy()


# What evalPixelLevelSemanticLabeling of cityscapesscripts 2.3.0 says of these predictions.
OFFICIAL = [
    0.803053935,
    0.582531153,
    0.697499943,
    0.06966106,
    0.263821574,
    0.015846916,
    0.034198031,
    0.224292893,
    0.644343498,
    0.374893353,
    0.60151437,
    0.322144804,
    0.002978211,
    0.501293605,
    0.015183358,
    0.031169567,
    0.0,
    0.000478249,
    0.012688514,
]
OFFICIAL_MEAN = 0.273557528


def ours_of(module, table):
    each = class_scores(table, "iou", Convention("pooled").of(module.background))
    return each, mean_score(table, "miou", Convention().of(module.background))


def test_scores_are_those_that_the_official_evaluation_gave(module, table):
    each, mean = ours_of(module, table)
    np.testing.assert_allclose(each, OFFICIAL, atol=1e-6)
    assert mean == pytest.approx(OFFICIAL_MEAN, abs=1e-6)


def test_scores_are_those_of_the_official_evaluation(module, predictions, table, tmp_path, monkeypatch):
    """Runs where it is installed: pip install cityscapesscripts."""
    monkeypatch.setenv("CITYSCAPES_DATASET", str(tmp_path))
    official = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    from cityscapesscripts.helpers.labels import labels, trainId2label

    args = official.args
    args.evalInstLevelScore, args.evalPixelAccuracy, args.quiet = False, False, True
    matrix = official.generateMatrix(args)
    to_id = np.array([trainId2label[index].id for index in range(19)], np.uint8)
    for label, _, guess in predictions:
        # The benchmark takes no file of ours but this prediction, in ids, and its own label file.
        Image.fromarray(to_id[guess]).save(tmp_path / "prediction.png")
        official.evaluatePair(str(tmp_path / "prediction.png"), str(label), matrix, {}, {}, args)
    theirs = {label.name: official.getIouScoreForLabel(label.id, matrix, args) for label in labels if label.id >= 0}
    each, mean = ours_of(module, table)
    np.testing.assert_allclose(each, [theirs[name] for name in module.class_names], atol=1e-6)
    assert mean == pytest.approx(official.getScoreAverage(theirs, args), abs=1e-6)
    # Of trains there are none, but they are predicted.
    assert theirs["train"] == 0
    assert max(each) > 0.5
