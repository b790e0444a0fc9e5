"""Further scores are chosen by name, several at once, and refused where they cannot be."""

import pytest
from omegaconf import OmegaConf

from segbench.assembly import build_data
from segbench.configuration.check import check_comparison
from segbench.configuration.schema import validate
from segbench.configuration.scores import check_scores, how_to_add
from segbench.errors import ConfigError
from segbench.runs.identity import run_id
from segbench.scores.columns import ColumnScore, Ratio
from segbench.scores.objects import ObjectScores
from segbench.tasks import SegmentationTask
from segbench.tasks.evaluation import CountsTable

SURFACE = ["hd95", "assd", "nsd", "boundary_f1"]


def built(cfg):
    data = build_data(cfg)
    check_scores(data)
    return data.score_columns()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        ((), []),
        (("scores=none",), []),
        (("scores=hd95",), ["hd95"]),
        (("scores=[nsd,hd95]",), ["nsd", "hd95"]),
        (("scores=surface",), SURFACE),
        (("scores=surface", "~scores.nsd"), ["hd95", "assd", "boundary_f1"]),
    ],
)
def test_choices_combine(tiny, tmp_path, overrides, names):
    cfg = tiny(tmp_path, *overrides)
    validate(cfg)
    assert list(cfg.scores) == names
    assert [score.name for score in built(cfg)] == names
    # They cannot change the training.
    assert run_id(cfg) == run_id(tiny(tmp_path))


@pytest.mark.slow
def test_options_and_a_second_tolerance(tiny, tmp_path):
    cfg = tiny(
        tmp_path, "scores=nsd", "scores.nsd.tolerance=3", "scores.nsd.empty=skip",
        "+scores.fine={_target_: segbench.scores.nsd.NSD, tolerance: 1, name: nsd_fine}",
    )  # fmt: skip
    validate(cfg)
    coarse, fine = built(cfg)
    assert (coarse.tolerance, coarse.empty, fine.tolerance, fine.name) == (3, "skip", 1, "nsd_fine")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("scores=hd95", "scores.hd95.empty=zero"), "scores.hd95.empty=zero: should be 'penalty' or 'skip'"),
        (("scores=hd95", "+scores.hd95.percentile=90"), "scores.hd95.percentile: HD95 has no such option"),
        (("scores=nsd", "scores.nsd.tolerance=far"), "scores.nsd.tolerance=far: should be a valid number"),
        (("+scores.mine={tolerance: 1}",), "scores.mine: no _target_ .choose one of the files in conf/scores."),
        (("+scores.mine={_target_: segbench.scores.mine.Mine}",), "scores.mine._target_=segbench.scores.mine.Mine: "),
    ],
)
def test_what_the_schema_refuses(tiny, tmp_path, overrides, message):
    with pytest.raises(ConfigError, match=message):
        validate(tiny(tmp_path, *overrides))


@pytest.mark.slow
def test_what_a_score_and_the_data_refuse(tiny, compose, tmp_path):
    twice = "+scores.again={_target_: segbench.scores.nsd.NSD, tolerance: 1}"
    objects = "+scores.mine={_target_: segbench.scores.objects.ObjectScores, classes: [cell]}"
    for overrides, message in (
        (("scores=nsd", "scores.nsd.tolerance=-1"), "scores.nsd: tolerance must be a distance of 0 or more, got -1"),
        (("scores=nsd", twice), "scores.again: there is a score nsd already; leave one out or set another name"),
        (("scores=nsd", "+scores.nsd.name=dice"), "scores.nsd: there is a score dice already"),
        ((objects,), "scores.mine: no class 'cell'; there are background, right ventricle"),
    ):
        with pytest.raises(ConfigError, match=message):
            built(tiny(tmp_path, *overrides))
    with pytest.raises(ConfigError, match="scores.hd95: mnist has no class that it could score; leave it out"):
        built(compose("data=mnist", "scores=hd95"))
    # Cells bring their own.
    with pytest.raises(ConfigError, match="scores.mine: there is a score object_dice already"):
        built(compose("data=cells", objects))


class Counting(ObjectScores):
    """A score of one column by two names, which a configuration sets."""

    def __init__(self, name, column):
        super().__init__()
        self.name, self.column = name, column

    def declare(self, unit):
        return [ColumnScore(self.name, "counting", (Ratio({self.column: 1}, {f"{self.name}_all": 1}),))]


@pytest.mark.slow
@pytest.mark.parametrize(
    "column",
    [
        *CountsTable(2).frame("val", ("background", "cell"), {}).columns,
        "predicted_12",
        "found",
        "object_tp",
        "hd95_sum",
    ],
)
def test_columns_that_are_there_already_are_refused(compose, column):
    mine = f"+scores.{{}}={{{{_target_: {__name__}.Counting, name: {{}}, column: any}}}}"
    cfg = compose("data=cells", "scores=hd95", mine.format("one", "one"), mine.format("two", "two"))
    cfg.scores.one.column = cfg.scores.two.column = column
    said = {
        "found": r"^scores.two: the column found is filled by scores.one already; call it otherwise$",
        "object_tp": "^scores.one: the column object_tp is filled by cells already",
        "hd95_sum": "^scores.one: the column hd95_sum is filled by scores.hd95 already",
    }
    with pytest.raises(ConfigError, match=said.get(column, f"^scores.one: the scores file has a column {column} alr")):
        built(cfg)


def test_what_is_no_score_is_refused_in_one_line(tiny, tmp_path):
    with pytest.raises(ConfigError, match="^scores.mine: Fraction is no score: it has no dimensions$"):
        built(tiny(tmp_path, "+scores.mine={_target_: fractions.Fraction}"))


@pytest.mark.slow
def test_which_metrics_there_are(compose):
    found = build_data(compose("data=cells", "scores=[hd95,nsd]")).column_scores()
    assert {name: tuple(classes) for name, classes in found.items()} == {
        **dict.fromkeys(("object_f1", "object_dice", "object_hausdorff", "seg"), ("cell",)),
        **dict.fromkeys(("hd95", "nsd"), ("cell", "boundary")),
    }


def check_metric(data, metric, claim=None):
    claims = [{"text": "a", "better": {"model": "unet"}, "metric": claim}] if claim else []
    check_comparison(OmegaConf.create({"metric": metric, "claims": claims}), data.name, SegmentationTask.scores(data))


@pytest.mark.slow
def test_a_comparison_by_a_score_that_is_not_configured_is_refused_with_the_fix(tiny, tmp_path):
    lacking, having = build_data(tiny(tmp_path)), build_data(tiny(tmp_path, "scores=surface"))
    for metric, choice in (
        ("hd95", "hd95"),
        ("hd95_left_ventricle", "hd95"),
        ("boundary_f1_left ventricle", "boundary_f1"),
        ("nsd", "nsd"),
    ):
        for asked, place in (((metric,), ""), (("dice", metric), r"claims\[0\]\.")):
            with pytest.raises(ConfigError, match=rf"comparison.{place}metric={metric}: .*; add scores={choice}$"):
                check_metric(lacking, *asked)
            check_metric(having, *asked)


def test_the_fix_is_named_only_where_it_is_one(tiny, tmp_path):
    with pytest.raises(ConfigError, match="no such score of phantom; did you mean hd95_left_ventricle"):
        check_metric(build_data(tiny(tmp_path, "scores=hd95")), "hd95_left_ventricl")
    assert how_to_add("hd95_cell", ["dice"]) == "; add scores=hd95"
    assert how_to_add("hd95", ["dice", "hd95"]) == how_to_add("dic", []) == how_to_add("hd950", []) == ""
