"""``report.py --across`` from runs on disk to its folder."""

import csv
from math import nan
from types import SimpleNamespace

import pytest
from PIL import Image
from tests.reporting.conftest import Maker, asking

from segbench.reporting.across import page as page_module
from segbench.reporting.across.command import _baseline_of, _margin_of
from segbench.reporting.across.page import MARK

SETS = {"carvana": {"unet": (80, 83), "attunet": (90, 91), "own": (50, 52)}, "cells": {"unet": (60, 61), "attunet": (66, 68)},
        "glands": {"unet": (70, 72), "attunet": (79, 80)}}  # fmt: skip


def experiments(root, sets=SETS):
    """Write one experiment a data set; return their directories."""
    maker = asking(Maker(root))
    for name, networks in sets.items():
        for model, tps in networks.items():
            for seed, tp in enumerate(tps):
                choices = {"data": name}
                maker(model, seed, tp, experiment=f"{name}/architectures", choices=choices, fingerprint=name)
    return [root / name / "architectures" for name in sets]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The experiments, which no test changes."""
    return experiments(tmp_path_factory.mktemp("across") / "outputs")


@pytest.fixture
def no_figures(monkeypatch):
    monkeypatch.setattr(page_module, "_draw", lambda *_: [])


def test_it_writes_a_page_tables_and_figures_and_says_the_verdict_first(report, folders, tmp_path):
    out = tmp_path / "all"
    code, shown, err = report("--across", *folders, "--out", out)
    assert (code, err) == (0, "")
    first = shown.splitlines()[0]
    assert first.startswith("attunet is better than unet over 3 data sets by 0.0")
    assert "With 3 data sets a rank test of two networks can never reach 5 %" in shown
    assert "own is not in cells/architectures and glands/architectures." in shown
    names = {path.name for path in out.iterdir()}
    assert names >= {"index.html", "README.md", "scores.csv", "gains.csv", "table.tex"}
    assert names >= {f"{name}.{kind}" for name in ("critical-difference", "gains") for kind in ("png", "svg")}
    page, readme = ((out / name).read_text() for name in ("index.html", "README.md"))
    assert f'id="answer">{first}</p>' in page
    assert MARK in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("data:image/svg+xml") == 2
    assert f"**{first.replace('[', '[')}**" in readme
    assert "| average rank | 1.00 | 2.00 | – |" in readme
    rows = list(csv.DictReader((out / "gains.csv").open()))
    assert [row["data set"] for row in rows] == [
        "carvana/architectures",
        "cells/architectures",
        "glands/architectures",
        "mean",
    ]
    mean = sum(float(row["gain"]) for row in rows[:3]) / 3
    assert float(rows[3]["gain"]) == pytest.approx(mean)
    assert rows[3]["verdict"] == "better"
    scores = list(csv.DictReader((out / "scores.csv").open()))
    assert len(scores) == 9
    assert {row["rank"] for row in scores if row["network"] == "attunet"} == {"1"}
    assert [row["n"] for row in scores if row["network"] == "own"] == ["2", "0", "0"]
    latex = (out / "table.tex").read_text()
    assert r"{}average rank & 1.00 & 2.00 & -- \\" in latex
    # A phone shows the diagram as it is: 4.6 inches at 200 dots.
    assert Image.open(out / "critical-difference.png").width <= 1000


@pytest.mark.slow
def test_the_same_runs_give_the_same_page_again_in_its_own_folder(report, folders, no_figures):
    code, shown, _ = report("--across", *folders)
    assert code == 0
    out = folders[0].parents[1] / "across-carvana-architectures+cells-architectures+glands-architectures"
    before = (out / "README.md").read_text()
    assert str(out / "index.html") in shown.replace("\n", "")
    assert report("--across", *folders)[0] == 0
    assert (out / "README.md").read_text() == before
    # It is no experiment without runs where all that lies in outputs/ is reported.
    assert report(out, "--page", out / "x.md") == (2, "", "")


@pytest.mark.slow
def test_what_was_killed_before_its_page_may_be_written_again(report, folders, tmp_path, no_figures, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(page_module, "gains_csv", killed)
        report("--across", *folders, "--out", tmp_path / "all")
    assert (tmp_path / "all" / "scores.csv").exists()
    assert report("--across", *folders, "--out", tmp_path / "all")[0] == 0
    assert "is better than" in (tmp_path / "all" / "index.html").read_text()


@pytest.mark.parametrize(
    ("stated", "largest", "asked", "margin"),
    [([0.02, 0.02], 1, None, 0.02), ([0.02, 0.02], 1, 0.05, 0.05), ([0.02, 0.03], 1, None, 0.01),
     ([0.02, None], 1, None, 0.01), ([None, None], 1, None, 0.01), ([0.5, 0.5], 9, None, 0.5),
     ([None, None], 9, None, nan)],
)  # fmt: skip
def test_the_margin_is_the_one_that_all_experiments_state(stated, largest, asked, margin):
    sets = [SimpleNamespace(margin=each) for each in stated]
    found = SimpleNamespace(sets=sets, score=SimpleNamespace(largest=largest))
    assert _margin_of(found, asked) == pytest.approx(margin, nan_ok=True)


@pytest.mark.parametrize(
    ("stated", "asked", "baseline"),
    [(["b", "b"], None, 1), (["b", "a"], None, None), ([None, "b"], None, None), ([None, None], None, None),
     (["c", "c"], None, None), (["b", "b"], "a", 0)],
)  # fmt: skip
def test_the_baseline_is_the_one_that_is_asked_for_or_that_all_experiments_state(stated, asked, baseline):
    """A network that is the baseline of all but has no score anywhere is none."""
    rows = [SimpleNamespace(factors=("model",), values=(name,)) for name in "abc"]
    sets = [SimpleNamespace(rows=rows, baseline=None if name is None else "abc".index(name)) for name in stated]
    networks = [SimpleNamespace(values=(name,), label=name) for name in "ab"]
    assert _baseline_of(SimpleNamespace(sets=sets, networks=networks, factors=("model",)), asked) == baseline


@pytest.mark.parametrize(
    ("option", "words"),
    [(("--margin", "0.02"), "--margin: goes with --across; for one experiment give comparison.margin="),
     (("--baseline", "unet"), "--baseline: goes with --across"), (("--seeds", "3"), "--seeds: goes with --plan"),
     (("--sd", "seed=1"), "--sd: goes with --plan")],
)  # fmt: skip
def test_an_option_that_would_change_nothing_is_refused(report, folders, option, words):
    code, _, err = report(folders[0], *option)
    assert code == 2
    assert words in err


@pytest.mark.slow
def test_against_a_baseline_no_other_pair_is_tested_or_drawn(report, folders, tmp_path):
    assert report("--across", *folders, "--out", tmp_path / "page", "--baseline", "unet")[0] == 0
    with (tmp_path / "page" / "gains.csv").open() as file:
        pairs = {frozenset((line["ahead"], line["behind"])) for line in csv.DictReader(file)}
    assert pairs == {frozenset(("unet", "attunet"))}
    assert "compared with unet alone" in (tmp_path / "page" / "index.html").read_text()
    assert (tmp_path / "page" / "gains.png").exists()
    assert not (tmp_path / "page" / "critical-difference.png").exists()


def test_many_data_sets_have_a_short_name(report, folders, tmp_path):
    from segbench.reporting.across.command import default_folder

    many = [tmp_path / f"a-data-set-with-a-long-name-{number}" / "networks" for number in range(9)]
    name = default_folder(many).name
    assert name.startswith("across-9-data-sets-")
    assert default_folder([*many[:-1], tmp_path / "other" / "networks"]).name != name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--metric", "iou_nothing"), "comparison.metric"),
        (("--page", "x.md"), "--page does not go with --across"),
        (("--plan",), "--plan does not go with --across"),
        (("nowhere",), "nowhere: no runs here"),
        (("--margin", "-1"), "no margin"),
        (("--baseline", "own unet"), "--baseline own unet: no network has this name; there are attunet, own and unet"),
        (("--out", "EXPERIMENT"), "holds other pages"),
    ],
)
def test_what_cannot_be_met_is_refused_in_one_line(report, folders, tmp_path, no_figures, arguments, words):
    own = tmp_path / "own"
    own.mkdir()
    (own / "README.md").write_text("Mine.\n")
    given = [own if argument == "EXPERIMENT" else argument for argument in arguments]
    code, _, err = report("--across", *folders, *given)
    assert code == 2
    assert words in err.splitlines()[-1] or (words == "comparison.metric" and "--metric" in err)
    assert (own / "README.md").read_text() == "Mine.\n"
    assert list(own.iterdir()) == [own / "README.md"]


def test_a_run_s_or_an_experiment_s_folder_is_never_written_to(report, folders, no_figures):
    run = next(path for path in folders[0].iterdir() if path.is_dir())
    before = sorted(run.iterdir())
    for folder in (run, folders[0]):
        code, _, err = report("--across", *folders, "--out", folder)
        assert (code, "holds runs" in err) == (2, True), err
    assert sorted(run.iterdir()) == before


@pytest.mark.slow
def test_one_data_set_and_other_metrics_are_refused(report, tmp_path, folders):
    assert "two data sets or more" in report("--across", folders[0])[2]
    maker = asking(Maker(tmp_path / "outputs"))
    maker.comparison["metric"] = "iou"
    for model, tp in (("unet", 80), ("attunet", 90)):
        maker(model, 0, tp, experiment="other/architectures")
    code, _, err = report("--across", folders[0], tmp_path / "outputs" / "other" / "architectures")
    assert code == 2
    (line,) = err.splitlines()
    assert "dice (higher is better) and iou (higher is better)" in line


@pytest.mark.slow
def test_names_of_anybody_are_shown_as_they_stand(report, tmp_path, no_figures):
    name = "<script>x</script>|*a*\u202e&$"
    sets = {key: {name: (80, 82 + place), "=1+1": (70 + place, 71)} for place, key in enumerate(("a", "b"))}
    maker = asking(Maker(tmp_path / "outputs"))
    for key, networks in sets.items():
        for number, (model, tps) in enumerate(networks.items()):
            for seed, tp in enumerate(tps):
                maker("net", seed, tp, experiment=f"{key}/x", name=f"{number}-{seed}", choices={"data": key, "model": model},
                      fingerprint=key)  # fmt: skip
    out = tmp_path / "out"
    code, shown, err = report("--across", tmp_path / "outputs/a/x", tmp_path / "outputs/b/x", "--out", out)
    assert (code, err) == (0, "")
    texts = {path.name: path.read_text() for path in out.iterdir()}
    assert "\u202e" not in shown + "".join(texts.values())
    assert "<script>" not in texts["index.html"]
    assert "&lt;script&gt;x&lt;/script&gt;|*a*" in texts["index.html"]
    assert r"\<script>x\</script>\|\*a\*" in texts["README.md"]
    assert "'=1+1" in texts["scores.csv"]
    assert r"\textless{}script\textgreater{}" in texts["table.tex"]
