"""Adding seeds after a look at the results is noticed."""

import pytest

from segbench.reporting.collection.looks import add_look, read_looks
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.page import write_report
from segbench.runs import history

pytestmark = pytest.mark.usefixtures("no_figures", "no_power")


def trained(make, *seeds):
    for model in ("unet", "attunet"):
        for seed in seeds:
            folder = make(model, seed, 90 - seed).parent
    return folder


def warnings(folder):
    return [line for line in evidence(compare(collect([folder]))).caveats if line.startswith("Looked at before")]


@pytest.mark.slow
def test_more_seeds_than_an_earlier_report_knew_are_warned_of(architectures):
    folder = trained(architectures, 0, 1, 2)
    write_report(compare(collect([folder])))
    assert not warnings(folder)
    (first,) = read_looks(folder)
    assert first.seeds == first.planned == {"attunet": 3, "unet": 3}
    trained(architectures, 3, 4)
    (line,) = warnings(folder)
    assert f"the report of {first.time} knew 3 seeds of attunet, this one knows 5." in line
    assert "decide=true" in line
    # The warning stays with every further report, and each is a look.
    for _ in range(2):
        write_report(compare(collect([folder])))
    assert [look.seeds["unet"] for look in read_looks(folder)] == [3, 5]
    assert warnings(folder) == [line]
    assert "Looked at before" in (folder / "index.html").read_text()
    assert "Looked at before" in (folder / "table.md").read_text()


@pytest.mark.slow
def test_seeds_that_were_planned_before_the_look_are_no_further_look(architectures):
    folder = trained(architectures, 0, 1)
    jobs = [
        {"directory": f"fake-{model}-dice-seed2", "seed": 2, "choices": {"model": model}, "overrides": []}
        for model in ("unet", "attunet")
    ]
    history.plan(folder, jobs)
    write_report(compare(collect([folder])))
    trained(architectures, 2)
    assert not warnings(folder)
    trained(architectures, 3)
    assert warnings(folder)


@pytest.mark.slow
def test_a_report_of_one_seed_told_nothing_apart(architectures):
    folder = trained(architectures, 0)
    write_report(compare(collect([folder])))
    trained(architectures, 1, 2)
    assert not warnings(folder)


def test_damaged_lines_are_left_out(tmp_path):
    lines = ["[]", '{"seeds": 3, "planned": {}}', '{"seeds": {"a": "x"}, "planned": {}}', '{"planned": {"a": 1}}']
    (tmp_path / history.LOOKS).write_text("\n".join(lines))
    assert read_looks(tmp_path) == ()
    add_look(tmp_path, {"a": 2}, {"a": 3})
    add_look(tmp_path, {"a": 2}, {"a": 3})
    (look,) = read_looks(tmp_path)
    assert (look.seeds, look.planned) == ({"a": 2}, {"a": 3})
