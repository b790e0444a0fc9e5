"""The campaign of faults and attacks notices what it should, and its catalogue is whole."""

import json
import re
import sys
from collections import Counter

import pytest
import yaml
from campaign import kills, program, results, table, trial
from campaign.__main__ import main
from campaign.catalogue import GOALS, Case, load
from campaign.checks import CHECKS
from campaign.given import RUNS, SCENES, prepare
from campaign.program import Done
from campaign.results import Source
from campaign.steps import STEPS
from campaign.trial import Outcome

SOURCE = Source("abc", "123", "a machine")


@pytest.mark.slow
def test_the_catalogue_has_as_many_cases_as_it_should_and_names_only_what_there_is():
    cases = load()
    counts = Counter(case.kind for case in cases)
    assert {kind: counts[kind] for kind, goal in GOALS.items() if counts[kind] < goal} == {}
    for case in cases:
        assert set(case.given) <= SCENES.keys() | RUNS.keys(), case.id
        assert {name for name, _ in case.steps} <= STEPS.keys(), case.id
        assert {name for name, _ in case.then} <= CHECKS.keys(), case.id
        assert case.run, case.id
        assert case.what, case.id
    # Nothing is kept that no case asks for.
    assert STEPS.keys() == {name for case in cases for name, _ in case.steps}
    assert CHECKS.keys() == {name for case in cases for name, _ in case.then}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "- {section: a, kind: inputs, cases: {b: {what: x}}}\n- {section: a, kind: inputs, cases: {b: {what: y}}}",
            "occur twice: a/b",
        ),
        ("- {section: a, kind: inputs, cases: {b: {wath: x}}}", "a/b: unknown wath"),
        ("- {section: a, kind: guesses, cases: {b: {}}}", "a/b: unknown kind"),
    ],
)
def test_a_malformed_catalogue_is_refused(tmp_path, text, expected):
    (tmp_path / "catalogue.yaml").write_text(text)
    with pytest.raises(ValueError, match=expected):
        load(tmp_path / "catalogue.yaml")


def test_a_section_is_tried_for_each_variant_but_those_that_a_case_leaves_out(tmp_path):
    section = {
        "section": "a", "kind": "inputs", "over": {"one": {"n": 1, "file": "x"}, "two": {"n": 2, "file": "y"}},
        "run": "run.py $file", "what": "x",
        "cases": {"b": {"values": {"size": "$n"}}, "c": {"but": ["one"], "says": "no $file, $here"}},
    }  # fmt: skip
    (tmp_path / "catalogue.yaml").write_text(yaml.safe_dump([section]))
    cases = {case.id: case for case in load(tmp_path / "catalogue.yaml")}
    assert list(cases) == ["a/one/b", "a/two/b", "a/two/c"]
    assert cases["a/one/b"].values == {"size": 1}
    assert cases["a/two/b"].run == ["run.py y"]
    # What is known only when the case is tried.
    assert cases["a/two/c"].says == ["no y, $here"]


# Scripts that behave as no command of ours should, and what must be said of them.
BEHAVIOUR = {
    "as promised": ("sys.exit('error: a.png: empty file')", "promised", ""),
    "traceback": ("raise KeyError('x')", "traceback", "KeyError: 'x'"),
    "silent": ("print('done')", "silent", "exit code 0, not 1"),
    "another code": ("print('error: a.png: empty file', file=sys.stderr); sys.exit(4)", "otherwise", "exit code 4, not 1"),
    "other words": ("sys.exit('error: something is wrong')", "otherwise", "does not say 'a.png: empty file'"),
    "two errors": ("sys.exit('error: a.png: empty file\\nerror: more')", "otherwise", "2 lines of error"),
    "executed": ("open(os.environ['CANARY'], 'w'); sys.exit('error: a.png: empty file')", "executed", "wrote canary"),
    "printed": ("sys.exit('error: a.png: empty file ' + os.environ['HF_TOKEN'])", "executed", "printed HF_TOKEN"),
    "written": (
        "open('../outputs.txt', 'w').write(os.environ['HF_TOKEN']); sys.exit('error: a.png: empty file')",
        "executed", "outputs.txt has HF_TOKEN",
    ),
    "changed": ("open('../a.png', 'w').write('x'); sys.exit('error: a.png: empty file')", "otherwise", "changed a.png"),
    "endless": ("time.sleep(60)", "otherwise", "no end in 1 s"),
    "greedy": ("x = bytes(9 << 30)", "traceback", "MemoryError"),
    "killed": ("os.kill(os.getpid(), 9)", "otherwise", "exit code -9, not 1"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", BEHAVIOUR)
def test_whatever_a_command_should_not_do_is_noticed(tmp_path, monkeypatch, name):
    code, verdict, detail = BEHAVIOUR[name]
    (tmp_path / "src").mkdir()
    begin = f"import os, sys, time; os.environ['CANARY'] = {str(tmp_path / 'here' / 'canary')!r}\n"
    (tmp_path / "src" / "run.py").write_text(begin + code)
    monkeypatch.setattr(program, "ROOT", tmp_path)
    case = Case("a/b", "inputs", "", steps=[("text", ["a.png", ""])], run=["run.py"], codes=[1], says=["a.png: empty file"], seconds=1 if name == "endless" else 30)  # fmt: skip
    outcome = trial.attempt(case, tmp_path, tmp_path / "here")
    assert (outcome.verdict, detail in outcome.detail) == (verdict, True), outcome


def test_results_of_other_code_are_not_mixed_and_a_line_cut_by_a_kill_counts_as_none(tmp_path):
    path = tmp_path / "results.jsonl"
    results.add(path, Outcome("a", "otherwise"), SOURCE)
    results.add(path, Outcome("b", "promised"), Source("abc", "456", "a machine"))
    results.add(path, Outcome("a", "promised"), SOURCE)
    with path.open("a") as stream:
        stream.write(json.dumps({"id": "c", "code": "123"})[:-3])
    assert results.read(path, SOURCE) == {"a": Outcome("a", "promised")}


def test_what_the_campaign_takes_from_the_tests_decides_outcomes_too():
    texts = [path.read_text() for path in table.PAGE.parents[1].glob("campaign/*.py")]
    taken = {name for text in texts for name in re.findall(r"^\s*from (tests\.[\w.]+) import", text, re.MULTILINE)}
    assert len(taken) > 2
    assert {f"{name.replace('.', '/')}.py" for name in taken} <= set(results.SOURCES)


def test_the_table_counts_and_tells_what_was_not_as_promised(tmp_path):
    cases = [
        Case("x/1", "inputs", ""),
        Case("x/2", "inputs", "", reason="the library cannot"),
        Case("x/3", "attacks", ""),
    ]
    found = {
        "x/1": Outcome("x/1", "promised"),
        "x/2": Outcome("x/2", "silent", "3 | 4 <b>"),
        "x/3": Outcome("x/3", "promised"),
    }
    text = table.markdown(cases, found, SOURCE)
    assert "| bad inputs | 2 | 1 | 0 | 0 | 1 | 0 |" in text
    assert "| attacks | 1 | 1 | 0 | 0 | 0 | 0 |" in text
    assert "- `x/2`: silent: 3 \\| 4 &lt;b>; the library cannot" in text
    page = tmp_path / "page.md"
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    table.write(text, page)
    table.write(text, page)
    assert page.read_text() == f"before\n{table.BEGIN}\n\n{text}\n\n{table.END}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="no marks"):
        table.write(text, page)


def test_the_page_of_guarantees_has_a_place_for_it():
    text = table.PAGE.read_text()
    assert text.count(table.BEGIN) == text.count(table.END) == 1


@pytest.mark.slow
def test_cases_of_the_catalogue_are_tried_once_and_their_results_kept(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["campaign"])
    options = ["--only", "configuration/rate-word", "--only", "names/two-suffixes", "--results", str(tmp_path / "results.jsonl")]  # fmt: skip
    assert main(options) == 0
    first = capsys.readouterr().out
    assert "2 cases, 0 tried before" in first
    assert "| bad inputs | 2 | 2 | 0 | 0 | 0 | 0 |" in first
    assert main(options) == 0
    assert "2 cases, 2 tried before" in capsys.readouterr().out
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 2


@pytest.mark.slow
def test_a_killed_run_is_compared_with_one_that_was_not(tmp_path):
    cases = {case.id: case for case in load()}
    program.preload()
    for name, verdict in (("kills/plain/rename-55", "promised"), ("killed/control-seed", "promised")):
        case = cases[name]
        prepare(case.given, tmp_path / "given")
        kills.prepare([case], tmp_path / "given")
        assert trial.attempt(case, tmp_path / "given", tmp_path / name).verdict == verdict
    # A comparison that finds no difference where there must be one is said.
    same = Case("x", "kills", "", run=cases["killed/control-seed"].run, values={"control": True}, seconds=60)
    assert trial.attempt(same, tmp_path / "given", tmp_path / "same").verdict == "silent"


def test_words_of_a_command_that_should_have_ended_well():
    assert trial.judged_words(Done(0, "fine", "")) is None
    assert trial.judged_words(Done(5, "", "error: x")) == ("otherwise", "started again it ends with 5")
    assert trial.judged_words(Done(1, "", f"{trial.TRACEBACK}\nKeyError: x")) == ("traceback", "KeyError: x")
