"""NSD: tolerances beside each other; geometry and MONAI stand in test_surface."""

import numpy as np

from segbench.scores.nsd import NSD


def test_its_declaration_tells_the_tolerance_in_the_datas_unit():
    (score,) = NSD(2).declare("mm")
    assert (score.name, score.title, score.unit, score.lower_is_better) == ("nsd", "NSD at 2 mm", "", False)
    assert score.largest == 1
    assert score.empty == "a class that only truth or only prediction has counts as 0"


def test_two_tolerances_have_columns_of_their_own(region):
    mask = np.zeros((5, 5), bool)
    mask[1:3, 1:3] = True
    fine, coarse = NSD(0.5), NSD(2.5, name="nsd_coarse")
    assert coarse.declare("px")[0].name == "nsd_coarse"
    assert not set(fine.terms(region(mask, mask))) & set(coarse.terms(region(mask, mask)))
