"""Data sets that nobody here arranged, through data=folder: the same images, splits and scores as by their own modules."""

import shlex

import numpy as np
import pandas as pd
import pytest
import yaml

from segbench.assembly import build_data
from segbench.data.cityscapes_labels import LABELS

pytestmark = pytest.mark.slow
COMMAND = "python src/run.py data=folder data.root=data/{}"
LONGEST = 160
# Name, the settings of its own module, and what one types besides.
SETS = {
    "cells": ((), "'data.objects=[class 1]' data.order=number"),
    "cmr": (("data.batch_size=4",), ""),
    "glas128": (("data.batch_size=4",), "data.objects=true data.val_fraction=0.2"),
    "glas": (
        ("data.val_fraction=0.1",),
        "data.table=Grade.csv 'data.group=patient ID' data.instances=true data.boundary=0 data.size=[256,384]",
    ),
    "carvana": (("data.size=[64,96]",), "data.images=train data.masks=train_masks 'data.group=*_??' data.size=[64,96]"),
    "cityscapes": (
        ("data.input=crop", "data.size=[128,128]"),
        "data.images=leftImg8bit data.masks=gtFine data.classes=classes.yaml data.crop=[128,128]",
    ),
}


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    """The 19 classes of Cityscapes' benchmark, as one would write them down."""
    path = tmp_path_factory.mktemp("classes") / "classes.yaml"
    named = {label.name: label.id for label in LABELS if label.train_id is not None}
    path.write_text(yaml.safe_dump(named | {"ignore": "others"}, sort_keys=False))
    return path


@pytest.fixture
def both(compose, real_data, classes, tmp_path):
    """Compose the configurations of a set: by its own module, and by data=folder."""

    def composed(name, *more):
        own, typed = SETS[name]
        assert len(f"{COMMAND.format(name)} {typed}") <= LONGEST
        typed = shlex.split(typed.replace("classes.yaml", str(classes)))
        common = (
            "model.width=2",
            "trainer.max_epochs=1",
            "trainer.limit_train_batches=3",
            "trainer.accelerator=cpu",
            "trainer.progress=lines",
            *more,
        )
        return (
            compose(f"data={name}", *own, *common, f"paths.data={real_data}", f"paths.outputs={tmp_path}/own"),
            compose(
                "data=folder", f"data.root={real_data / name}", *typed, *common, f"paths.outputs={tmp_path}/folder"
            ),
        )

    return composed


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", SETS)
def test_images_masks_splits_and_scores_are_those_of_its_own_module_to_the_bit(name, both, run, tmp_path):
    cfgs = both(name, "~callbacks.panels", "~callbacks.predictions")
    own, folder = map(build_data, cfgs)
    for data in (own, folder):
        data.inspect()
        data.setup()
    assert {part: len(chosen) for part, chosen in folder.splits.items()} == {
        part: len(chosen) for part, chosen in own.splits.items()
    }
    assert (folder.num_classes, folder.in_channels, folder.background) == (
        own.num_classes,
        own.in_channels,
        own.background,
    )
    assert np.array_equal(folder.mean, own.mean)
    assert np.array_equal(folder.std, own.std)
    assert np.array_equal(folder.class_pixels, own.class_pixels)
    for part, chosen in own.splits.items():
        for index, other in zip(chosen, folder.splits[part], strict=True):
            assert own.records[index].image == folder.records[other].image
            for item, theirs in zip(
                (own.datasets[part].arrays.images, own.datasets[part].arrays.targets),
                (folder.datasets[part].arrays.images, folder.datasets[part].arrays.targets),
                strict=True,
            ):
                assert np.array_equal(item[index], theirs[other])
    tables = []
    for cfg, kind in zip(cfgs, ("own", "folder"), strict=True):
        run(cfg, tmp_path / kind)
        tables.append(pd.read_parquet(tmp_path / kind / "scores.parquet"))
    tables = [table.select_dtypes("number") for table in tables]
    assert len(tables[0])
    pd.testing.assert_frame_equal(*tables, check_exact=True)
