"""Run folders that somebody sent (``hostile.py``): each costs itself, in one line, and nothing outside it is read."""

from __future__ import annotations

import ast
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hostile import CASES, SECRET, alias_bomb

from segbench.commands import report
from segbench.environment import bounded_memory
from segbench.reporting.collection.runs import collect, read_run
from segbench.reporting.html.pictures import gallery
from segbench.reporting.html.runs import log_tail
from segbench.runs.archive import PREDICTIONS, Archive
from segbench.runs.bounded import parse_json, parse_yaml, read_bytes

SOURCE = Path(report.__file__).parents[1]
SECONDS = 30


@pytest.fixture
def outside(tmp_path):
    """A file beside the results that nothing may quote."""
    path = tmp_path / "outside.txt"
    path.write_text(f"{SECRET}\n")
    return path


@pytest.fixture
def in_time():
    """End what waits for ever."""
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail(f"not done after {SECONDS} s"))
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)


def spoiled(architectures, case, outside, name="bad"):
    folder = architectures("unet", 1, name=name)
    (folder / "train.log").write_text("done\n")
    CASES[case][0](folder, outside)
    return folder


# The slow ones write large files first.
SLOW = {
    "scores.parquet has a billion equal numbers",
    "scores.parquet has long words",
    "predictions.zip has an about.json of 1 GB",
}


@pytest.mark.slow
@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("case", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in CASES])
def test_a_bad_file_is_one_line_or_none(architectures, outside, case):
    folder, expected = spoiled(architectures, case, outside), CASES[case][1]
    run = read_run(folder)
    if expected is None:
        assert run.state == "done", run.reason
    else:
        assert run.state in ("unreadable", "failed", "killed")
        assert expected in f"{run.state}: {run.reason}"
        assert len(run.reason) <= 600
        assert "\n" not in run.reason
    assert SECRET not in f"{run}"
    assert SECRET not in log_tail(folder / "train.log")
    Archive.open(folder / PREDICTIONS)


@pytest.mark.slow
@pytest.mark.usefixtures("no_power", "no_figures")
def test_all_of_them_in_one_folder_leave_the_good_runs_their_report(architectures, outside, capsys, monkeypatch):
    monkeypatch.setenv("CANARY", SECRET)
    for model in ("attunet", "unet"):
        folder = architectures(model).parent
    for number, case in enumerate(CASES):
        if case not in SLOW:
            spoiled(architectures, case, outside, f"bad{number}")
    assert report.main([str(folder)]) == 0
    said = capsys.readouterr()
    assert "unexpected" not in said.err
    listed = (folder / "table.md").read_text()
    for number, (case, (_, expected)) in enumerate(CASES.items()):
        if case not in SLOW:
            assert (f"- bad{number}: " in listed) == (expected is not None), case
            assert f"- bad{number}: excluded: " not in listed
    for file in ("table.md", "table.csv", "table.tex", "index.html"):
        assert SECRET not in (folder / file).read_text()
    assert SECRET not in said.out + said.err


def test_pictures_of_a_bad_run_are_left_out(architectures, outside):
    from segbench.reporting.comparison.build import compare

    for case in ("figures is a link out", "figures/predictions.png is a link out", "figures/predictions.png is huge"):
        spoiled(architectures, case, outside, f"bad{len(case)}{case[-1]}")
    found = gallery(compare(collect([architectures.root])), [])
    assert found.panels == []


@pytest.mark.usefixtures("in_time")
def test_links_lead_to_runs_and_nowhere_else(architectures, tmp_path):
    folder = architectures("unet").parent
    elsewhere = tmp_path / "private"
    (elsewhere / "deeper").mkdir(parents=True)
    architectures.root, kept = elsewhere, architectures.root
    theirs = architectures("attunet", experiment="x")
    architectures.root = kept
    (folder / "twin").symlink_to(theirs)
    (folder / "all").symlink_to("/")
    (folder / "private").symlink_to(elsewhere)
    for name in "abc":
        (folder / name).symlink_to(".")
    assert sorted(run.name for run in collect([kept])) == ["fake-unet-dice-seed0", "twin"]


@pytest.mark.usefixtures("in_time")
def test_folders_of_many_levels_are_walked(architectures, tmp_path):
    folder = architectures("unet").parent
    deep = folder
    for _ in range(300):
        deep = deep / "a"
        deep.mkdir()
    assert len(collect([folder])) == 1


@pytest.mark.usefixtures("no_power", "no_figures")
def test_one_experiment_of_unforeseen_files_leaves_the_others(architectures, capsys, monkeypatch):
    from segbench.reporting import each

    folders = [architectures("unet", experiment=name).parent for name in ("a", "b")]
    whole = each.compare
    monkeypatch.setattr(
        each, "compare", lambda runs, *rest: 1 / 0 if runs[0].directory.parent == folders[0] else whole(runs, *rest)
    )
    assert report.main([str(architectures.root)]) == 1
    assert (
        f"{folders[0]}: cannot be reported: unexpected ZeroDivisionError: division by zero" in capsys.readouterr().err
    )
    assert (folders[1] / "index.html").exists()


# Pages that somebody sent: what may stand behind "Reported by", and what is said of it.
COMMANDS = {
    "{runs} --page {victim}": "would write something else",
    "{runs} --pag {victim}": "unrecognized arguments",
    "{runs}": "would write something else",
    "{results} --page {page}": "is a folder of results pages",
    "--plan --sd seed=1,image=1,rest=1": "would write something else",
    "--help": "unrecognized arguments",
    "--page": "expected one argument",
    "{runs} --page {page} --metric x --empty two": "invalid choice",
    "{runs} 'unclosed": "it does not say how it was made",
    "{gone} --page {page}": "is not here",
    "@{victim}": "",
}


@pytest.mark.slow
@pytest.mark.usefixtures("no_power", "no_figures", "in_time")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_on_a_page_makes_nothing_but_the_page_again(architectures, tmp_path, outside, capsys, command):
    runs = architectures("unet").parent
    page = tmp_path / "results" / "a.md"
    page.parent.mkdir()
    good = page.with_name("b.md")
    assert report.main([str(runs), "--page", str(good)]) == 0
    places = {"runs": runs, "victim": outside, "results": page.parent, "page": page, "gone": tmp_path / "gone"}
    text = f"# P\n\n<!-- begin x -->\n## x\n\n- Reported by: `python src/report.py {command.format(**places)}`\n<!-- end x -->\n"
    page.write_text(text)
    good.write_text(good.read_text().replace("| unet |", "| touched |"))
    capsys.readouterr()
    report.main([str(page.parent)])
    said = capsys.readouterr().err
    assert "stays as it is" in said or "no runs here" in said
    assert COMMANDS[command] in said
    assert page.read_text() == text
    assert outside.read_text() == f"{SECRET}\n"
    assert "touched" not in good.read_text()  # the other page is made again


@pytest.mark.slow
@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize(
    "text",
    [
        "<!-- begin a -->\n" * 50_000,
        "".join(f"<!-- begin {n} -->\n" for n in range(50_000)),
        "<!-- begin a -->\n- Reported by: " + "`" * 500_000 + "\n<!-- end a -->\n",
        "<!-- begin a -->\n" + "| claim | verdict |\n" * 20_000 + "<!-- end a -->\n",
        "<!-- begin a -->\n" + "|-| :" * 100_000 + "\n<!-- end a -->\n",
    ],
)
def test_a_page_is_read_in_one_pass(tmp_path, text):
    (tmp_path / "a.md").write_text(text)
    assert report.main([str(tmp_path)]) in (0, 2)


@pytest.mark.parametrize("text", [alias_bomb(), "[" * 10**6, "{a: " * 10**5, "a: &x [*x]", "a: !!set {x}"])
def test_yaml_that_unfolds_is_refused(text):
    with pytest.raises(ValueError, match=r"alias|nested|tag"):
        parse_yaml(text)


@pytest.mark.parametrize("text", ["[" * 10**6, "[" * 65 + "]" * 65, '{"a":' * 70 + "1" + "}" * 70])
def test_json_that_is_nested_is_refused(text):
    with pytest.raises(ValueError, match="nested deeper than 64 levels"):
        parse_json(text)
    assert parse_json("[" * 60 + "]" * 60)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's bound is Linux's")
def test_memory_is_bounded_inside_and_free_after():
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(MemoryError), bounded_memory(2**26):
        bytearray(2**28)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    bytearray(2**28)


def test_a_file_is_read_where_it_lies(tmp_path, outside):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "figures").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="figures is a link"):
        read_bytes(folder / "figures" / outside.name, folder)
    with pytest.raises(ValueError, match="does not lie in its run"):
        read_bytes(outside, folder)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the most memory is read from /proc")
@pytest.mark.parametrize("case", [*sorted(SLOW), "config.yaml has an alias bomb"])
def test_bombs_cost_neither_memory_nor_time(architectures, outside, case):
    folder = architectures("attunet").parent
    spoiled(architectures, case, outside)
    code = (
        f"import pathlib, re, sys; from segbench.commands import report; code = report.main([{str(folder)!r}]);"
        " print(re.search(r'VmHWM:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1]); sys.exit(code)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert found.returncode == 0, found.stderr
    assert "Traceback" not in found.stderr
    assert int(found.stdout.splitlines()[-1]) < 1.2 * 2**20  # KiB


OPENERS = {"open", "read_text", "read_bytes", "safe_load", "read_csv", "read_parquet", "ParquetFile", "ZipFile",
           "copyfile", "imread", "loads"}  # fmt: skip


@pytest.mark.slow
def test_reports_open_files_of_runs_in_one_way():
    """What reads files is a function of runs.bounded or runs.unfolding, or an archive's; templates are the package's."""
    ours = {"segbench.runs.bounded", "segbench.runs.unfolding"}
    found = []
    files = [*(SOURCE / "reporting").rglob("*.py"), SOURCE / "runs" / "readers.py",
             SOURCE / "runs" / "archive.py", SOURCE / "runs" / "scores_file.py"]  # fmt: skip
    for path in files:
        tree = ast.parse(path.read_text())
        imported = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module in ours
            for alias in node.names
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            owner = getattr(getattr(node.func, "value", None), "id", "")
            bounded = isinstance(node.func, ast.Name) and name in imported
            if name in OPENERS and not bounded and (owner, name) not in {("Archive", "open"), ("os", "open")}:
                found.append(f"{path.name}: {ast.unparse(node)}")
    assert sorted(found) == [
        "archive.py: zipfile.ZipFile(stream, 'w')",
        "notebook.py: pd.read_csv(io.StringIO(csv_text(self.compared)))",
        "overview.py: (files(__package__) / 'templates' / 'script.js').read_text(encoding='utf-8')",
    ]
