import io
import json
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import yaml
from PIL import Image
from rich.console import Console
from tests.reporting.conftest import Maker, asking

from segbench.commands.report import main
from segbench.errors import ConfigError
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.notes import notes
from segbench.reporting.conclusions.provenance import provenance, sweep_commands
from segbench.reporting.figures import FigureSpec
from segbench.reporting.page import report_experiment, update_page, write_report

pytestmark = pytest.mark.usefixtures("no_power")


def sweep(architectures):
    """Two networks, two seeds, with pictures."""
    for model in ("unet", "attunet"):
        for seed in (0, 1):
            folder = architectures(model, seed, 90 - seed, frequencies=(0.9, 0.06, 0.04))
            Image.fromarray(np.full((4, 4), 10 * seed, np.uint8)).save(folder / "figures" / "predictions.png")
    return architectures


@pytest.fixture
def swept(architectures):
    return sweep(architectures)


@pytest.fixture(scope="module")
def reported(shared_architectures, program):
    """A sweep and its page, made once by the command, and only read: its folder and the page."""
    folder = sweep(shared_architectures).root / "carvana/architectures"
    page = shared_architectures.root / "pages" / "carvana.md"
    done = program("report.py", str(folder), "--page", str(page))
    assert done.returncode == 0, done.stderr
    return folder, page


@pytest.fixture
def report(capfd):
    """Run the command line in this process, which need not load everything each time: exit code, stdout, stderr."""

    def run(*arguments):
        capfd.readouterr()
        code = main(list(map(str, arguments)))
        return Done(code, *capfd.readouterr())

    return run


class Done(NamedTuple):
    """What a command left."""

    returncode: int
    stdout: str
    stderr: str


@pytest.mark.slow
def test_a_sweep_ends_with_table_csv_and_curves(swept):
    folder = swept.root / "carvana/architectures"
    stream = io.StringIO()
    report_experiment(folder, None, Console(file=stream, width=200))
    assert "Is attention worth its weights?" in stream.getvalue()
    assert "finished" in (folder / "table.md").read_text()
    assert (folder / "table.csv").read_text().startswith("model,finished,started,seeds")
    for name in ("curves.png", "classes.png", "frequencies.png"):
        assert np.asarray(Image.open(folder / name)).std() > 0
        assert f"]({name})" in (folder / "table.md").read_text()
    assert not list(folder.glob(".*"))


@pytest.mark.slow
@pytest.mark.usefixtures("no_figures")
def test_a_sweep_with_other_settings_excludes_earlier_runs_and_names_them(swept):
    folder = swept.root / "carvana/architectures"
    swept("unet", 7, config={"trainer.max_epochs": 1})
    stream = io.StringIO()
    report_experiment(folder, [path for path in folder.iterdir() if path.name[-1] in "01"], Console(file=stream))
    text = (folder / "table.md").read_text()
    assert "seeds 0, 1." in text
    assert "fake-unet-dice-seed7: excluded: of an earlier sweep with other trainer.max_epochs" in text
    with pytest.raises(ConfigError, match="max_epochs"):
        report_experiment(folder, None, Console(file=stream))
    with pytest.raises(ConfigError, match="no runs here"):
        report_experiment(folder, [folder / "other"], Console(file=stream))


@pytest.mark.slow
@pytest.mark.usefixtures("no_figures")
def test_a_narrower_repeat_adds_to_the_page(swept):
    folder, stream = swept.root / "carvana/architectures", io.StringIO()
    repeated = swept("unet", 2)
    report_experiment(folder, [repeated], Console(file=stream))
    text = (folder / "table.md").read_text()
    assert "| attunet | 2 of 2 |" in text
    assert "| unet | 3 of 3 |" in text
    # Without an experiment a sweep is all that is asked about.
    swept.comparison = None
    folder = swept("unet", 0, experiment="runs").parent
    alone = swept("unet", 1, experiment="runs")
    comparison, _ = report_experiment(folder, [alone], Console(file=stream))
    assert [run.name for run in comparison.done] == [alone.name]


def test_without_curves_and_scores_there_is_no_figure(architectures):
    (architectures(state="failed") / "metrics.csv").unlink()
    folder = architectures.root / "carvana/architectures"
    for name in ("curves.png", "classes.png", "frequencies.png"):
        (folder / name).write_bytes(b"of an earlier report")
    written = write_report(compare(collect([folder])))
    assert [path.name for path in written] == ["index.html", "table.md", "table.csv", "table.tex"]
    assert not list(folder.glob("*.png"))


@pytest.mark.usefixtures("no_figures")
def test_an_unwritable_directory_is_one_line(swept, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("segbench.reporting.page.write_text", full)
    with pytest.raises(ConfigError, match="No space left on device"):
        write_report(compare(collect([swept.root])))


@pytest.mark.slow
def test_page_sections_are_replaced_and_the_rest_stays(swept, tmp_path):
    page = tmp_path / "results" / "carvana.md"
    first = compare(collect([swept.root]))
    write_report(first)
    update_page(page, first, "python src/report.py here")
    page.write_text(page.read_text().replace("# Results: carvana\n", "# Cars\n\nBy hand \\1.\n") + "\nMore by hand.\n")
    shutil.rmtree(swept.root / "carvana/architectures/fake-unet-dice-seed1")
    swept("unet", 0, experiment="carvana/split")
    for runs in ("carvana/architectures", "carvana/split", "carvana/architectures"):
        comparison = compare(collect([swept.root / runs]))
        write_report(comparison)
        update_page(page, comparison, "python src/report.py here", pictures=True)
    text = page.read_text()
    assert text.startswith("# Cars\n\nBy hand \\1.\n")
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## carvana/architectures",
        "## carvana/split",
        "## How to read the tables",
    ]
    assert text.index("More by hand.") < text.index("## carvana/split")
    assert "| unet | 1 of 1 |" in text
    assert "2 of 2" in text
    pictures = [part.split(")")[0] for part in text.split("](")[1:]]
    assert "carvana/architectures-curves.png" in pictures
    assert "carvana/architectures-classes.png" in pictures
    assert "carvana/architectures-frequencies.png" in pictures
    assert "carvana/architectures-unet.png" in pictures
    assert all((page.parent / picture).is_file() for picture in pictures)


def test_the_command_writes_tables_and_figures_beside_the_runs(reported):
    folder, _ = reported
    text = (folder / "table.md").read_text()
    assert "finished" in text
    assert (folder / "table.csv").read_text().startswith("model,finished,started,seeds")
    for name in ("curves.png", "classes.png", "frequencies.png"):
        assert np.asarray(Image.open(folder / name)).std() > 0
        assert f"]({name})" in text
        assert {(folder / name).with_suffix(kind).exists() for kind in (".svg", ".pdf")} == {True}
    assert not list(folder.glob(".*"))


def test_images_of_the_data_set_are_copied_only_when_asked_for(reported, swept, tmp_path, report, no_figures):
    names = {path.name for path in (reported[1].parent / "carvana").iterdir()}
    assert {f"architectures-{name}.png" for name in ("classes", "curves", "frequencies", "differences")} <= names
    assert not {"architectures-unet.png", "architectures-panels.png"} & names
    page = tmp_path / "carvana.md"
    assert report(swept.root / "carvana/architectures", "--page", page, "--pictures").returncode == 0
    assert (tmp_path / "carvana" / "architectures-unet.png").is_file()


def test_the_page_says_where_the_numbers_come_from(reported):
    folder, page = reported
    text = page.read_text()
    for part in (
        "Machine: Fake CPU; 1 thread(s) a run; precision 32-true.",
        "Time: 2026-01-01T00:00:00+00:00 to 2026-01-01T01:00:00+00:00; 16 min 48 s of training in 4 runs.",
        "Code: commit abcdef012345; torch 2.13.0.",
        "Seeds: 0, 1.",
        "`python src/run.py -m experiment=carvana/architectures model=attunet,unet seed=0,1`",
        f"`python src/report.py {folder} --page {page}`",
        "Differences from the published protocol:\n\n- 12 cars instead of 318",
    ):
        assert part in text


def test_runs_that_are_no_full_grid_have_a_command_for_each_grid(make_run):
    make_run("unet", 0)
    make_run("unet", 1)
    make_run("attunet", 0, experiment="carvana/architectures", overrides=["model=attunet", "paths.outputs=/x"])
    assert sweep_commands(collect([make_run.root]), "carvana/architectures") == [
        "python src/run.py experiment=carvana/architectures model=attunet seed=0 'paths.outputs=<folder>'",
        "python src/run.py -m experiment=carvana/architectures model=unet seed=0,1",
    ]


def test_a_command_names_the_folder_of_ones_own_choices(make_run):
    for seed in range(2):
        path = make_run("unet", seed) / "run.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"config_dir": "my conf"}))
    assert sweep_commands(collect([make_run.root]), "carvana/architectures") == [
        "python src/run.py --config-dir 'my conf' -m experiment=carvana/architectures model=unet seed=0,1"
    ]
    make_run("unet", 2)
    assert sweep_commands(collect([make_run.root]), "carvana/architectures") == [
        "python src/run.py --config-dir 'my conf' -m experiment=carvana/architectures model=unet seed=0,1",
        "python src/run.py experiment=carvana/architectures model=unet seed=2",
    ]


def test_a_command_says_where_ones_own_classes_are_found(make_run):
    path = make_run("unet", 0) / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"python_path": "my code:src"}))
    command = "python src/run.py experiment=carvana/architectures model=unet seed=0"
    assert sweep_commands(collect([make_run.root]), "carvana/architectures") == [command]
    summary = json.loads((path.parent / "summary.json").read_text())
    (path.parent / "summary.json").write_text(json.dumps(summary | {"git": {"own": {"my_networks": "0123"}}}))
    assert sweep_commands(collect([make_run.root]), "carvana/architectures") == [f"PYTHONPATH='my code:src' {command}"]


def test_figures_of_an_earlier_report_do_not_stay(architectures, tmp_path, few_figures):
    def draw(comparison, evidence, path):
        for kind in (".png", ".svg"):
            path.with_suffix(kind).write_bytes(b"drawn")

    folder = architectures("unet", 0).parent
    page = tmp_path / "pages" / "carvana.md"
    page.parent.mkdir()
    for figures in ((FigureSpec("My own", "own.png", draw),), ()):
        comparison = compare(collect([folder]))
        (folder / "mine.png").write_bytes(b"not of a report")
        write_report(comparison, figures=figures)
        update_page(page, comparison, "python src/report.py", figures=figures)
        there = {path.name for path in (*folder.iterdir(), *(page.parent / "carvana").iterdir())}
        assert {"own.png", "own.svg", "architectures-own.png"} & there == (
            {"own.png", "own.svg", "architectures-own.png"} if figures else set()
        )
        assert "mine.png" in there


def test_a_sweep_that_finishes_nothing_leaves_the_report_of_earlier_ones(architectures, no_figures):
    folder, stream = architectures("unet", 0).parent, io.StringIO()
    report_experiment(folder, None, Console(file=stream))
    before = {path: path.read_bytes() for path in folder.glob("*.*") if path.is_file()}
    assert {"index.html", "table.md", "table.csv", "table.tex"} <= {path.name for path in before}
    failed = architectures("unet", 1, state="failed", reason="data.root=x: no such folder")
    report_experiment(folder, [failed], Console(file=stream, width=200))
    assert "| unet | 1 of 2 |" in (folder / "table.md").read_text()
    assert "failed: data.root=x: no such folder" in (folder / "table.md").read_text()
    # Also where the finished one has been deleted since.
    shutil.rmtree(folder / "fake-unet-dice-seed0")
    before = {path: path.read_bytes() for path in folder.glob("*.*") if path.is_file()}
    _, written = report_experiment(folder, [failed], Console(file=stream, width=200))
    assert written == []
    assert {path: path.read_bytes() for path in folder.glob("*.*") if path.is_file()} == before
    assert f"No run is finished here, so the report of earlier ones stays: {folder}" in stream.getvalue()
    # Where there is nothing to keep, a report says what failed.
    (folder / "table.csv").unlink()
    _, written = report_experiment(folder, [failed], Console(file=stream))
    assert folder / "index.html" in written


def test_code_of_ones_own_stands_beside_the_commit_and_two_versions_of_it_are_said(make_run):
    make_run("unet", 0, git={"own": {"tiny": "0123456789ab", "parts.noise": "ab"}})
    runs = collect([make_run.root])
    code = "commit abcdef012345, own module parts.noise ab, own module tiny 0123456789ab"
    assert f"Code: {code}; torch 2.13.0." in [line.text for line in provenance(runs, "carvana/architectures")]
    assert "versions of" not in " ".join(notes(compare(runs)))
    make_run("unet", 1, git={"own": {"tiny": "ba9876543210", "parts.noise": "ab"}})
    assert "The runs come from different versions of tiny." in notes(compare(collect([make_run.root])))


def test_a_command_gives_no_network_a_key_that_it_lacks(make_run):
    skips = {"config": {"model.skips": True}, "overrides": ["model=attunet", "model.skips=true"]}
    make_run("attunet", 0, **skips)
    make_run("unet", 0)
    assert sweep_commands(collect([make_run.root]), "carvana/architectures") == [
        "python src/run.py experiment=carvana/architectures model=attunet model.skips=true seed=0",
        "python src/run.py experiment=carvana/architectures model=unet seed=0",
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("where", ["empty", "missing"])
def test_a_folder_without_runs_exits_2_with_one_line(swept, tmp_path, where, report):
    (tmp_path / "empty").mkdir()
    done = report(swept.root / "carvana/architectures", tmp_path / where)
    assert done.returncode == 2
    assert "Written: " in done.stdout  # what is there is reported all the same
    assert done.stderr == f"{tmp_path / where}: no runs here; give an experiment's directory, outputs/<experiment>\n"


@pytest.mark.slow
@pytest.mark.usefixtures("no_figures")
def test_mixed_runs_exit_2_and_are_reported_with_mix(swept, report):
    swept("unet", 2, config={"optimizer.lr": 0.01})
    refused = report(swept.root)
    assert refused.returncode == 2
    assert "optimizer.lr" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not (swept.root / "carvana/architectures/table.md").exists()
    assert report(swept.root, "--mix").returncode == 0
    assert "| unet | 0.01 | 1 of 1 |" in (swept.root / "carvana/architectures/table.md").read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("no_figures")
def test_an_experiment_that_is_refused_does_not_stop_the_others(swept, tmp_path, capsys):
    for name, lr in (("mixed", 0.01), ("split", 0.001)):
        for seed, rate in ((0, 0.001), (1, lr)):
            swept("unet", seed, experiment=f"carvana/{name}", config={"optimizer.lr": rate})
    folders = [swept.root / "carvana" / name for name in ("architectures", "mixed", "split")]
    assert main([*map(str, folders), "--page", str(tmp_path / "page.md")]) == 2
    assert [(folder / "table.md").exists() for folder in folders] == [True, False, True]
    text = (tmp_path / "page.md").read_text()
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## carvana/architectures",
        "## carvana/split",
        "## How to read the tables",
    ]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{folders[1]}: the runs differ in optimizer.lr (0.001: fake-unet-dice-seed0 / 0.01: ")


@pytest.mark.slow
def test_the_script_is_a_program_of_its_own(fresh_program, swept, tmp_path):
    done = fresh_program("report.py", str(swept.root), str(tmp_path / "missing"), COLUMNS="60")
    assert done.returncode == 2
    assert "Written: " in done.stdout
    assert (
        done.stderr == f"{tmp_path / 'missing'}: no runs here; give an experiment's directory, outputs/<experiment>\n"
    )


@pytest.mark.usefixtures("no_figures")
def test_the_convention_can_change_without_training_again(swept, report):
    assert report(swept.root, "--reduction", "pooled", "--background", "--empty", "one").returncode == 0
    text = (swept.root / "carvana/architectures/reports/pooled-background-empty-one/table.md").read_text()
    assert "pooled" in text
    assert "with background" in text


@pytest.mark.slow
@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("all_linked", [False, True])
def test_runs_linked_from_another_experiment_do_not_bring_its_question(architectures, all_linked):
    for seed in (0, 1):
        architectures("unet", seed)
    folder = architectures.root / "carvana" / "learning_rate"
    folder.mkdir()
    architectures.comparison = {
        "question": "Which rate?",
        "factors": ["optimizer.lr"],
        "metric": "dice",
        "split": "val",
    }
    multirun = {"hydra": {"runtime": {"choices": {"experiment": "carvana/learning_rate"}}}}
    (folder / "multirun.yaml").write_text(yaml.safe_dump(multirun | {"comparison": architectures.comparison}))
    for seed in (0, 1):
        name = f"fake-unet-dice-seed{seed}"
        (folder / name).symlink_to(f"../architectures/{name}")
        if not all_linked:
            more = {"name": f"lr-{seed}", "config": {"optimizer.lr": 0.01}, "experiment": "carvana/learning_rate"}
            architectures("unet", seed, overrides=["model=unet", "optimizer.lr=0.01", f"seed={seed}"], **more)
    linked = [folder / f"fake-unet-dice-seed{seed}" for seed in (0, 1)]
    stream = io.StringIO()
    report_experiment(folder, None if not all_linked else linked, Console(file=stream, width=200))
    text = (folder / "table.md").read_text()
    assert text.startswith("# carvana/learning_rate\n\nWhich rate?\n\n**")
    assert "\n\n| optimizer.lr |" in text
    assert "| 0.001 | 2 of 2 |" in text
    assert ("| 0.01 | 2 of 2 |" in text) == (not all_linked)
    rates = "model=unet" if all_linked else "model=unet optimizer.lr=0.001,0.01"
    assert f"`python src/run.py -m experiment=carvana/learning_rate {rates} seed=0,1`" in text
    assert "Shared: 2 runs of equal configuration were trained by carvana/architectures." in text


def test_the_latest_sweep_s_wording_is_the_experiment_s(architectures):
    folder = architectures("unet", 0).parent
    architectures("attunet", 0)
    reworded = architectures.comparison | {"question": "Which of both is better?"}
    multirun = {"hydra": {"runtime": {"choices": {"experiment": "carvana/architectures"}}}, "comparison": reworded}
    (folder / "multirun.yaml").write_text(yaml.safe_dump(multirun))
    assert compare(collect([folder])).question == "Which of both is better?"
    # A sweep without an experiment asks nothing.
    (folder / "multirun.yaml").write_text(yaml.safe_dump(multirun | {"comparison": None}))
    assert compare(collect([folder])).question == architectures.comparison["question"]


def test_metric_and_split_of_the_command_line_decide(swept, report, no_figures):
    swept.comparison["claims"] = [{"text": "attention helps", "better": {"model": "attunet"}, "than": []}]
    for path in swept.root.rglob("config.yaml"):
        config = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump(config | {"comparison": swept.comparison}))
    folder = swept.root / "carvana/architectures"
    assert report(folder).returncode == 0
    own = {path: path.read_bytes() for path in folder.glob("*.*") if path.is_file()}
    done = report(folder, "--metric", "iou_disc", "--split", "val")
    assert done.returncode == 0
    # The experiment's own page stays, and the next report does not take the other for a run.
    assert {path: path.read_bytes() for path in folder.glob("*.*") if path.is_file()} == own
    assert len(collect([folder])) == 4
    text = (folder / "reports/iou-disc-val/table.md").read_text()
    assert "val split" in text
    assert text.index("iou disc") < text.index("dice")
    # What was claimed and published of Dice is not judged by another score.
    assert "dice: " in text
    assert "--metric iou_disc --split val" in text
    refused = report(folder, "--metric", "dcie")
    assert refused.returncode == ConfigError.exit_code
    assert refused.stderr.startswith(f"{folder}: --metric: no score 'dcie'")
    refused = report(folder, "--split", "tset")
    assert refused.returncode == ConfigError.exit_code
    assert refused.stderr == (
        f"{folder}: --split: not every run is scored on the split tset; there are test, val; did you mean test?\n"
    )
    assert report(folder, "--out", folder.parent / "elsewhere").returncode == 0
    assert "index.html" in {path.name for path in (folder.parent / "elsewhere").iterdir()}


@pytest.mark.slow
def test_reports_of_several_experiments_stay_in_their_folder(tmp_path, report, no_figures, monkeypatch):
    maker = asking(Maker(tmp_path / "outputs"))
    here = tmp_path / "outputs" / "here"
    here.mkdir(parents=True)
    for experiment in ("a", "b", "deep/here/a"):
        for model in ("unet", "attunet"):
            maker(model, 0, experiment=experiment)
    monkeypatch.chdir(here)
    up = Path("..")
    assert report(up / "a", up / "b", "--out", "all").returncode == 0
    assert sorted(path.relative_to(here) for path in here.rglob("index.html")) == [
        Path("all/outputs/a/index.html"), Path("all/outputs/b/index.html"),
    ]  # fmt: skip
    # Another experiment's own page is nobody's to write over, nor one of two reports the other's.
    refused = report(up / "a", "--out", up / "b")
    assert (refused.returncode, refused.stderr) == (2, "--out ../b: holds runs; name a folder of its own\n")
    maker("unet", 0, experiment="here/a")
    refused = report(up / "deep/here/a", up / "here/a", "--out", "both")
    assert refused.returncode == 2
    assert "would both be in both/here/a; one at a time" in refused.stderr
    assert not Path("both").exists()


@pytest.mark.slow
def test_the_viewer_says_which_split_its_images_are_of(swept, report, no_figures):
    folder = swept.root / "carvana/architectures"
    report(folder, "--split", "val")
    page = (folder / "reports/val/index.html").read_text()
    assert "They are of the test split, the scores above of the val split." in page
    report(folder)
    assert "They are of the test split. The arrow keys" in (folder / "index.html").read_text()
