"""Of real sets, what a survey finds was looked at and is so; it finds nothing else."""

import pytest

from segbench.survey.look import survey

pytestmark = pytest.mark.slow

# cmr111 is more than twice as bright as the median; two right ventricles have a loose pixel or two. GlaS' official split
# has patients on both sides. No frame of the first two cities has a truck, a bus or a train to learn.
FOUND = {
    "cells": {},
    "cmr": {"exposure": ["val/cmr111"], "specks": ["val/cmr114", "train/cmr56"]},
    "glas128": {},
    "carvana": {},
    "glas": {"groups in several parts": ["2 ", "3 ", "4 ", "5 ", "7 ", "9 ", "10 ", "11 "]},
    "cityscapes": {"class missing from training": []},
}


@pytest.mark.parametrize("name", FOUND)
def test_nothing_is_suspect_but_what_is_so(name, compose, real_data, tmp_path):
    cfg = compose(f"data={name}", f"paths.data={real_data}", f"paths.cache={tmp_path}")
    found = {finding.kind: finding for finding in survey(cfg, {"data": name}, steps=0).findings}
    assert set(found) == set(FOUND[name])
    for kind, images in FOUND[name].items():
        said = found[kind].images
        assert all(any(line.startswith(image) for line in said) for image in images)
        assert not images or len(said) == len(images)
