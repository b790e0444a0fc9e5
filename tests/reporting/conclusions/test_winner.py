"""The command that predicts new images after a comparison."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from segbench.commands.export import parse as options_of_export
from segbench.commands.predict import parse
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.conclusions.winner import how_to_predict

pytestmark = pytest.mark.usefixtures("no_power")


def write(maker, seeds, weights=True, **tp):
    for model, score in tp.items():
        for seed in range(seeds):
            folder = maker(model, seed, score - seed)
            (folder / "checkpoints").mkdir()
            if weights:
                (folder / "checkpoints" / "best.ckpt").touch()
    return compare(collect([maker.root]))


def found(comparison, **changes):
    """The words, and the options of the command, which the program must take."""
    origin = how_to_predict(comparison, replace(evidence(comparison), **changes))
    command, export = origin.commands
    program, *named = shlex.split(export, comments=True)[1:]
    assert program == "src/export.py"
    assert (options_of_export(named).to, Path(options_of_export(named).run).is_dir()) == ("onnx", True)
    program, options = shlex.split(command)[:2], shlex.split(command)[2:]
    assert program == ["python", "src/predict.py"]
    assert options[-1] == "images=<folder>"
    return origin.text, parse(options)


def test_the_best_row_predicts_and_whether_it_is_shown_to_be_the_best_is_said(architectures):
    comparison = write(architectures, 2, unet=90, attunet=70)
    folder = comparison.directory
    undecided = replace(evidence(comparison).decision, standings=())
    words, options = found(comparison, decision=undecided)
    assert words == (
        "Predict new images with unet, which has the highest score but is not shown to be the best,"
        " by its 2 runs together (scores are of each alone):"
    )
    assert list(options.run) == [str(folder / f"fake-unet-dice-seed{seed}") for seed in (0, 1)]
    assert found(comparison)[0] == (
        "Predict new images with unet, which is better than attunet, by its 2 runs together (scores are of each alone):"
    )


def test_one_run_predicts_alone(architectures):
    words, options = found(write(architectures, 1, unet=90, attunet=70, unetpp=60))
    assert words.endswith("but is not shown to be the best:")
    assert options.run.endswith("fake-unet-dice-seed0")


def test_own_classes_are_found_and_trusted(architectures):
    """As the run was started: without either the printed commands refuse the run."""
    comparison = write(architectures, 1, unet=90)
    for run in comparison.done:
        path = run.directory / "run.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"python_path": "my code:src"}))
        path = run.directory / "summary.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"git": {"own": {"mine": "0123"}}}))
    comparison = compare(collect([architectures.root]))
    for command in how_to_predict(comparison, evidence(comparison)).commands:
        path, python, _, *options = shlex.split(command, comments=True)
        assert (path, python) == ("PYTHONPATH=my code:src", "python")
        assert "trust=true" in options


@pytest.mark.slow
def test_many_runs_are_named_by_their_row(architectures):
    comparison = write(architectures, 6, unet=90, attunet=70)
    _, options = found(comparison)
    assert (options.ensemble, list(options.row)) == (str(comparison.directory), ["model=unet"])


def test_nothing_is_said_where_weights_are_gone(architectures):
    comparison = write(architectures, 2, weights=False, unet=90)
    assert how_to_predict(comparison, evidence(comparison)) is None


@pytest.mark.slow
def test_a_setting_that_came_later_is_null_where_it_is_lacking(architectures):
    """Null leaves no trace in a run's settings, so that runs of before are the same."""
    for seed in range(6):
        for tta in (None, "flips"):
            folder = architectures(
                "unet", seed, 80 if tta else 90, name=f"{tta}{seed}", config={"predict": {"tta": tta}}
            )
            (folder / "checkpoints").mkdir()
            (folder / "checkpoints" / "best.ckpt").touch()
    comparison = compare(collect([architectures.root]), mix=True)
    assert {value for row in comparison.rows for value in row.values} >= {None, "flips"}
    assert "predict.tta=null" in found(comparison)[1].row


def test_of_an_ensemble_a_member_is_exported(architectures):
    comparison = write(architectures, 2, weights=False, unet=90)
    for run in comparison.done:
        member = run.directory.with_name(f"member-{run.name}")
        (member / "checkpoints").mkdir(parents=True)
        (member / "checkpoints" / "best.ckpt").touch()
        record = run.directory / "run.json"
        record.write_text(json.dumps(json.loads(record.read_text()) | {"weights_of": [member.name]}))
    export = how_to_predict(comparison, evidence(comparison)).commands[1]
    assert Path(options_of_export(shlex.split(export, comments=True)[2:]).run).name.startswith("member-")
