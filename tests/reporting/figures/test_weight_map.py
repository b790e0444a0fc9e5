import pytest

from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.figures import NothingToDrawError
from segbench.reporting.figures.weight_map import WEIGHTS, copy_weight_map


def test_the_weight_map_of_the_first_run_that_has_one_is_shown_once(architectures, tmp_path):
    for model in ("a", "b", "c"):
        folder = architectures(model)
        if model != "a":
            (folder / WEIGHTS).write_bytes(model.encode())
    copy_weight_map(compare(collect([architectures.root])), tmp_path / "weights.png")
    assert (tmp_path / "weights.png").read_bytes() == b"b"


def test_where_no_pixel_was_weighed_it_says_so(architectures, tmp_path):
    architectures("unet")
    with pytest.raises(NothingToDrawError, match="weighed"):
        copy_weight_map(compare(collect([architectures.root])), tmp_path / "weights.png")
