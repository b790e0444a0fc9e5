import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from scored import rewrite

from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.figures import NothingToDrawError
from segbench.reporting.figures.confusion import confusion, draw_confusion, show_share

# Of 1000 pixels: rows background, disc, ring (truth), columns the prediction; as conftest counts them but for tn.
MATRIX = np.array([[780, 10, 10], [5, 90, 5], [20, 30, 50]])


def store(folder, matrix=MATRIX):
    """Write the confusion of classes into a run as the task does."""
    frame = pd.read_parquet(folder / "scores.parquet")
    index = frame["class_index"].to_numpy()
    frame["tp"] = matrix.diagonal()[index]
    frame["fp"] = matrix.sum(axis=0)[index] - frame["tp"]
    frame["fn"] = matrix.sum(axis=1)[index] - frame["tp"]
    frame["tn"] = matrix.sum() - frame["tp"] - frame["fp"] - frame["fn"]
    for column in range(3):
        frame[f"predicted_{column}"] = matrix[index, column]
    rewrite(folder / "scores.parquet", frame)


def test_matrices_are_summed_over_images_and_seeds(architectures):
    for seed in range(2):
        store(architectures("unet", seed))
    comparison = compare(collect([architectures.root]))
    assert confusion(comparison, comparison.rows[0]).tolist() == (8 * MATRIX).tolist()


@pytest.mark.slow
def test_shares_of_the_true_class_are_drawn_for_each_configuration(architectures, tmp_path, monkeypatch):
    drawn = []
    real = Axes.pcolormesh
    monkeypatch.setattr(
        Axes, "pcolormesh", lambda axes, shares, **style: drawn.append(shares) or real(axes, shares, **style)
    )
    for model in ("attunet", "unet", "zoo"):
        folder = architectures(model)
        if model != "unet":
            store(folder, MATRIX if model == "zoo" else np.diag([900, 100, 0]))
    draw_confusion(compare(collect([architectures.root])), tmp_path / "confusion.png")
    assert len(drawn) == 2  # unet is a run of old
    np.testing.assert_array_equal(drawn[0], [[1, 0, 0], [0, 1, 0], [np.nan] * 3])
    np.testing.assert_allclose(drawn[1] ** 2, MATRIX / MATRIX.sum(axis=1, keepdims=True))
    text = (tmp_path / "confusion.svg").read_text()
    assert all(f">{words}<" in text for words in ("97.5", "1.2", "5.0", "30.0", "disc", "zoo"))


@pytest.mark.parametrize(("state", "reason"), [("done", "stored no confusion"), ("failed", "no run is finished")])
def test_without_matrices_the_reason_is_told(architectures, tmp_path, state, reason):
    architectures("unet", state=state)
    with pytest.raises(NothingToDrawError, match=reason):
        draw_confusion(compare(collect([architectures.root])), tmp_path / "confusion.png")


def test_shares_in_percent():
    shares = (0, 0.0001, 0.004, 0.0994, 0.3, 0.98, 0.9996, 1)
    assert [show_share(share) for share in shares] == ["", "<0.1", "0.4", "9.9", "30", "98", ">99.9", "100"]
    # Where there is room, the shares of a class add up.
    assert [show_share(share, with_tenths=True) for share in (0.977, 0.023, 1, 0)] == ["97.7", "2.3", "100", ""]
