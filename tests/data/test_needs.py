"""What data needs of a training: the callbacks of its augmentation, of its volumes, of its objects."""

import pytest

from segbench.augmentation import Augmentation, Curriculum, CurriculumStages
from segbench.callbacks import ColumnScores, VolumeScores
from segbench.data.glas128 import Glas128Data
from segbench.data.mnist import MNISTData
from segbench.data.phantom import PhantomData
from segbench.errors import ConfigError
from segbench.scores.objects import ObjectScores
from segbench.scores.seg import SegScores

CURRICULUM = [
    {"augmentation": Augmentation()},
    {"augmentation": Augmentation(), "monitor": "val/dice", "threshold": 0.5},
]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(PhantomData, [VolumeScores, ColumnScores]), (Glas128Data, [VolumeScores, ColumnScores]), (MNISTData, [])],
)
def test_masks_are_scored_as_volumes_and_by_further_columns(kind, expected, tmp_path):
    assert [type(callback) for callback in kind(cache_dir=tmp_path).callbacks()] == expected
    staged = kind(cache_dir=tmp_path, augmentation=Curriculum(CURRICULUM))
    assert [type(callback) for callback in staged.callbacks()] == [CurriculumStages, *expected]


@pytest.mark.parametrize(
    ("kind", "expected"), [(PhantomData, []), (Glas128Data, [ObjectScores, SegScores]), (MNISTData, [])]
)
def test_objects_are_scored_as_objects(kind, expected, tmp_path):
    assert [type(columns) for columns in kind(cache_dir=tmp_path).own_scores()] == expected


def test_the_groups_are_those_of_the_images(tmp_path):
    data = PhantomData(subjects=6, slices=2, size=[16, 16], cache_dir=tmp_path)
    data.find()
    assert data.groups() == {record.id: record.group for record in data.records}


def test_labels_are_not_cut_into_tiles(tmp_path):
    with pytest.raises(ConfigError, match=r"^data.tiles=2x2: mnist has one label per image; use data.tiles=null$"):
        MNISTData(cache_dir=tmp_path, tiles="2x2")
