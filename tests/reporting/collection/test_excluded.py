"""Which runs of a folder take no part."""

from segbench.reporting.collection.excluded import exclude_earlier
from segbench.reporting.collection.folders import place
from segbench.reporting.collection.runs import collect


def test_of_an_earlier_sweep_only_runs_that_split_their_images_otherwise_are_excluded(architectures):
    latest = architectures("attunet", 0, content="a", split="x")
    architectures("unet", 0, content="a", split="y")
    architectures("unet", 1, content="a", split="x")
    runs = exclude_earlier(collect([architectures.root]), {place(latest)}, ["model"])
    assert {run.directory.name: run.state for run in runs} == {
        "fake-attunet-dice-seed0": "done",
        "fake-unet-dice-seed0": "excluded",
        "fake-unet-dice-seed1": "done",
    }
    assert "of an earlier sweep with other data.split_digest" in str(runs)
