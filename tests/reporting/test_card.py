"""What a run's model card says (the whole of it: tests/test_exporting.py)."""

import json

import pytest

from segbench.reporting.card import card
from segbench.reporting.collection.runs import collect

pytestmark = pytest.mark.usefixtures("no_power")


@pytest.mark.slow
def test_callbacks_that_change_the_result_are_among_the_settings(make_run):
    folder = make_run("unet", 0, config={"callbacks": {"ema": {"decay": 0.999}, "panels": {"every": 5}}})
    identity = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(identity | {"unchanging": ["callbacks.panels"]}))
    (run,) = collect([make_run.root])
    text = card(run, None, [])
    assert "callbacks.ema.decay=0.999" in text
    assert "callbacks.panels" not in text
