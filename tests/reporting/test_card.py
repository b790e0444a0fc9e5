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


def test_the_input_size_is_the_one_that_was_found_and_not_the_word_for_finding_it(make_run):
    make_run("unet", 0, config={"data.size": "auto"}, frequencies=(0.7, 0.2, 0.1))
    (run,) = collect([make_run.root])
    assert "input size: height 160, width 200" in card(run, None, [], size=(160, 200))
    assert "input size: as the files are" in card(run, None, [])
