"""The scores file says what its columns mean; what it says comes back as it was, or the file is damaged in one line."""

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.runs.readers import DamagedError, named
from segbench.runs.scores_file import (
    KEY,
    LARGEST,
    MOST_SCORES,
    TASKS,
    parse_about,
    read_frame,
    read_scores,
    write_scores,
)
from segbench.runs.split_scores import About, derive
from segbench.scores import Convention
from segbench.scores.columns import MOST_COLUMNS, MOST_RATIOS, ColumnScore, Ratio

DEPTH = ColumnScore("depth", "depth", (Ratio({"depth_sum": 1}, {"depth_number": 1}),), lower_is_better=True, unit="mm")


def rows(**columns):
    """Two images of two classes; ``columns`` hold a value for each of the four rows."""
    frame = pd.DataFrame({"split": "test", "id": ["a", "a", "b", "b"], "group": ["g", "g", "h", "h"]})
    frame = frame.assign(height=2, width=5, class_index=[0, 1, 0, 1], class_name=["none", "cell", "none", "cell"])
    frame = frame.assign(tp=[6, 2, 7, 1], fp=[1, 1, 1, 1], fn=[1, 1, 1, 1], tn=[2, 6, 1, 7])
    return frame.assign(**columns)


def stored(path, frame, text):
    """Write rows under any description."""
    table = pa.Table.from_pandas(frame)
    pq.write_table(table.replace_schema_metadata((table.schema.metadata or {}) | {KEY: text}), path)
    return path


words = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
factors = st.floats(-1e6, 1e6)
parts = st.dictionaries(words, factors, min_size=1, max_size=3)
lower_parts = st.dictionaries(words, st.floats(1e-6, 1e6), min_size=1, max_size=3)
lines = st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), max_size=16).filter(str.isprintable)
scores = st.builds(
    ColumnScore,
    name=words.map(lambda name: f"x_{name}"),
    title=lines.filter(bool),
    ratios=st.lists(st.builds(Ratio, parts, lower_parts), min_size=1, max_size=3).map(tuple),
    mean=st.sampled_from(["arithmetic", "harmonic"]),
    lower_is_better=st.booleans(),
    unit=lines,
    empty=lines,
)
abouts = st.builds(
    About,
    task=st.sampled_from(sorted(TASKS)),
    background=st.booleans(),
    scores=st.lists(scores, max_size=4, unique_by=lambda score: score.name).map(tuple),
)


@pytest.mark.slow
@given(abouts)
def test_what_a_file_says_of_itself_comes_back_as_it_was(about):
    assert parse_about(json.dumps(asdict(about)).encode()) == about


@pytest.mark.slow
@given(scores, st.lists(st.floats(0, 1e6), min_size=24, max_size=24))
def test_a_declaration_that_came_back_gives_the_same_scores(score, values):
    (again,) = parse_about(json.dumps(asdict(About("segmentation", scores=(score,)))).encode()).scores
    terms = np.array((values * 9)[: 2 * 3 * len(score.columns)]).reshape(2, 3, -1)
    with np.errstate(all="ignore"):
        assert np.array_equal(again.score(terms), score.score(terms), equal_nan=True)


def test_a_file_is_read_by_what_it_says_alone(tmp_path):
    path = tmp_path / "scores.parquet"
    frame = rows(depth_sum=[np.nan, 3.0, np.nan, 5.0], depth_number=[np.nan, 2.0, np.nan, 1.0])
    write_scores(path, [frame.iloc[:2], frame.iloc[2:]], About("segmentation", background=False, scores=(DEPTH,)))
    split = read_scores(path)["test"]
    assert split.declared == (DEPTH,)
    assert not split.background
    assert split.scored_classes(DEPTH) == ["cell"]
    assert derive(split, "depth", Convention()) == derive(split, "depth_cell", Convention()) == (1.5 + 5) / 2
    assert derive(split, "depth", Convention("pooled")) == 8 / 3
    assert not list(tmp_path.glob(".*"))


def test_the_rows_stay_a_table_that_anything_opens(tmp_path):
    write_scores(tmp_path / "scores.parquet", [rows()], About("segmentation"))
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "scores.parquet"), rows(), check_dtype=False)


def test_rows_of_several_splits_in_any_order_are_those_that_pandas_finds():
    chance = np.random.default_rng(0)
    pixels = chance.integers(0, 9, (8, 3))
    frame = pd.concat([rows(split="val"), rows(split="test", group=["x", "x", "g", "g"])], ignore_index=True)
    frame = frame.assign(tp=pixels[:, 0], fp=pixels[:, 1], fn=pixels[:, 2], tn=30 - pixels.sum(axis=1))
    mixed = frame.sample(frac=1, random_state=1)
    found = read_frame(mixed, About("segmentation"))
    assert list(found) == list(dict.fromkeys(mixed["split"]))
    for name, split in found.items():
        part = frame[frame["split"] == name]
        assert split.ids == ("a", "b")
        assert split.groups == tuple(part["group"][::2])
        assert np.array_equal(split.counts.reshape(4, 4), part[["tp", "fp", "fn", "tn"]])
        assert split.class_names == ("none", "cell")


@pytest.mark.parametrize(
    "confusion",
    [
        [[4, 1.5, 0.5], [0.5, 4, 1.5], [1.5, 0.5, 4]],
        [[4, 3, -1], [-1, 4, 3], [3, -1, 4]],
    ],
)
def test_pixels_of_a_confusion_are_counts_though_others_would_add_up(confusion):
    frame = pd.DataFrame({"split": "test", "id": "a", "group": "g", "height": 3, "width": 6, "class_index": range(3)})
    frame = frame.assign(class_name=["none", "cell", "border"], tp=4, fp=2, fn=2, tn=10)
    names = [f"predicted_{index}" for index in range(3)]
    whole = frame.assign(**dict(zip(names, np.array([[4, 1, 1], [1, 4, 1], [1, 1, 4]]).T, strict=True)))
    assert read_frame(whole, About("segmentation"))["test"].confusion.sum() == 18
    with pytest.raises(ValueError, match="test: the confusion of classes does not add up to the counts"):
        read_frame(frame.assign(**dict(zip(names, np.array(confusion).T, strict=True))), About("segmentation"))


@pytest.mark.parametrize("column", ["split", "id", "group", "class_name"])
def test_a_row_without_a_name_is_refused(column):
    with pytest.raises(ValueError, match=f"a row lacks its {column}"):
        read_frame(rows(**{column: [None, "a", "a", "a"]}), About("segmentation"))


def test_a_file_without_rows_has_no_splits(tmp_path):
    write_scores(tmp_path / "scores.parquet", [rows().iloc[:0]], About("segmentation"))
    assert read_scores(tmp_path / "scores.parquet") == {}


def test_a_split_without_values_has_no_such_score_and_others_have(tmp_path):
    volumes = rows(split="test_volumes", depth_sum=np.nan, depth_number=np.nan)
    frames = [rows(depth_sum=3.0, depth_number=2.0), volumes]
    write_scores(tmp_path / "scores.parquet", frames, About("segmentation", scores=(DEPTH,)))
    splits = read_scores(tmp_path / "scores.parquet")
    assert [split.declared for split in splits.values()] == [(DEPTH,), ()]
    assert "depth" not in splits["test_volumes"].scores


@pytest.mark.parametrize("depth", [-1.0, np.inf, [np.nan, np.nan, np.nan, 1.0]])
def test_values_that_would_not_be_read_are_not_written_and_the_earlier_file_stays(tmp_path, depth):
    path, about = tmp_path / "scores.parquet", About("segmentation", scores=(DEPTH,))
    write_scores(path, [rows(depth_sum=1.0, depth_number=1.0)], about)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="test: depth_sum must be finite numbers, 0 or more"):
        write_scores(path, [rows(depth_sum=depth, depth_number=1.0)], about)
    assert path.read_bytes() == before


def test_class_0_of_data_without_a_background_is_in_the_mean_of_every_score(tmp_path):
    frame = rows(depth_sum=[0.0, 3.0, 0.0, 3.0], depth_number=1.0)
    for background, expected in ((False, 1.5), (True, 3.0)):
        write_scores(tmp_path / "scores.parquet", [frame], About("segmentation", background, (DEPTH,)))
        split = read_scores(tmp_path / "scores.parquet")["test"]
        assert derive(split, "depth", Convention()) == expected
        assert derive(split, "depth", Convention(background=True)) == 1.5
        assert derive(split, "depth_none", Convention()) == 0


@pytest.mark.parametrize(
    ("about", "said"),
    [
        (About("detection"), "its task is 'detection', not segmentation or classification"),
        (About("segmentation", scores=(DEPTH,)), "it declares depth, and has no column depth_sum"),
        (About("segmentation", scores=(replace(DEPTH, name="dice"),)), "it declares dice, which is there already"),
        (About("segmentation", scores=(replace(DEPTH, name="miou"),)), "it declares miou, which is there already"),
        (About("segmentation", scores=(DEPTH, DEPTH)), "it declares depth, which is there already"),
        (
            About("segmentation", scores=(replace(DEPTH, ratios=(Ratio({"tp": 1}, {"depth_number": 1}),)),)),
            "it declares depth of the column tp, which is of no further score",
        ),
    ],
)
def test_what_would_not_be_read_is_not_written(tmp_path, about, said):
    frame = rows() if "no column" in said else rows(depth_sum=1.0, depth_number=1.0)
    with pytest.raises(ValueError, match=said):
        write_scores(tmp_path / "scores.parquet", [frame], about)
    assert not list(tmp_path.iterdir())
    stored(tmp_path / "scores.parquet", frame, json.dumps(asdict(about)).encode())
    with pytest.raises(ValueError, match=said):
        read_scores(tmp_path / "scores.parquet")


GOOD = asdict(About("segmentation", scores=(DEPTH,)))


def changed(**changes):
    """The description with another value of a key of its score."""
    return GOOD | {"scores": [GOOD["scores"][0] | changes]}


HOSTILE = {
    "no JSON": b"{",
    "no UTF-8": b'{"task": "\xff"}',
    "no object": b"[1, 2]",
    "nothing": b"",
    "a number": b"1",
    "not a word more": GOOD | {"reader": "os.system"},
    "an escape for a word": GOOD | {"\x1b[31m\n" + "a" * 1000: 1},
    "a key too few": {"task": "segmentation", "background": True},
    "a word for a truth": GOOD | {"background": "yes"},
    "a number for a truth": GOOD | {"background": 1},
    "a number for a task": GOOD | {"task": 3},
    "a score that is none": GOOD | {"scores": ["depth"]},
    "scores by name": GOOD | {"scores": {"depth": GOOD["scores"][0]}},
    "too many scores": GOOD | {"scores": [GOOD["scores"][0] | {"name": f"s{i}"} for i in range(MOST_SCORES + 1)]},
    "a class to build": changed(_target_="os.system"),
    "code for a name": changed(name="__import__('os')"),
    "a path for a name": changed(name="../../depth"),
    "an empty name": changed(name=""),
    "a name without end": changed(name="a" * 65),
    "an empty title": changed(title=""),
    "a title without end": changed(title="a" * 81),
    "two lines of title": changed(title="depth\nrm -rf"),
    "an escape for a unit": changed(unit="\x1b[31m"),
    "a rule without end": changed(empty="a" * 301),
    "another mean": changed(mean="geometric"),
    "no ratio": changed(ratios=[]),
    "too many ratios": changed(ratios=GOOD["scores"][0]["ratios"] * (MOST_RATIOS + 1)),
    "half a ratio": changed(ratios=[{"numerator": {"depth_sum": 1}}]),
    "no columns": changed(ratios=[{"numerator": {}, "denominator": {"depth_number": 1}}]),
    "too many columns": changed(
        ratios=[{"numerator": {f"c{i}": 1 for i in range(MOST_COLUMNS)}, "denominator": {"depth_number": 1}}]
    ),
    "a column that is no word": changed(ratios=[{"numerator": {"a b": 1}, "denominator": {"depth_number": 1}}]),
    "a word for a factor": changed(ratios=[{"numerator": {"depth_sum": "1"}, "denominator": {"depth_number": 1}}]),
    "a truth for a factor": changed(ratios=[{"numerator": {"depth_sum": True}, "denominator": {"depth_number": 1}}]),
    "no factor": changed(ratios=[{"numerator": {"depth_sum": math.nan}, "denominator": {"depth_number": 1}}]),
    "no end of a factor": changed(ratios=[{"numerator": {"depth_sum": math.inf}, "denominator": {"depth_number": 1}}]),
    "division by less than nothing": changed(ratios=[{"numerator": {"depth_sum": 1}, "denominator": {"x": -1}}]),
    "depth without end": b"[" * 100_000,
    "length without end": b" " * (LARGEST + 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", HOSTILE)
def test_whatever_a_file_says_damage_is_one_line_that_names_it(tmp_path, kind):
    value = HOSTILE[kind]
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    path = stored(tmp_path / "scores.parquet", rows(depth_sum=1.0, depth_number=1.0), text)
    with pytest.raises(DamagedError) as damage:
        named(path, read_scores)
    assert str(damage.value).startswith("scores.parquet: it")
    assert "\n" not in str(damage.value)
    assert len(str(damage.value)) < 400
    assert str(damage.value).isprintable()


def test_labels_have_no_further_columns(tmp_path):
    frame = pd.DataFrame({"split": "test", "id": ["a"], "group": ["a"], "probability": [0.5], "truth": ["x"]})
    frame = frame.assign(prediction=frame["truth"], depth_sum=1.0, depth_number=1.0)
    stored(tmp_path / "scores.parquet", frame, json.dumps(asdict(About("classification", scores=(DEPTH,)))).encode())
    with pytest.raises(ValueError, match="it declares depth, which no classification has"):
        read_scores(tmp_path / "scores.parquet")


def test_a_file_that_says_nothing_is_refused(tmp_path):
    rows().to_parquet(tmp_path / "scores.parquet")
    with pytest.raises(
        DamagedError, match=r"scores.parquet: it does not say what its columns mean; train the run again"
    ):
        named(tmp_path / "scores.parquet", read_scores)


@pytest.mark.parametrize("value", [-1.0, np.inf, np.nan])
def test_values_that_no_declared_score_has_are_refused(tmp_path, value):
    frame = rows(depth_sum=[1.0, 2.0, value, 3.0], depth_number=1.0)
    stored(tmp_path / "scores.parquet", frame, json.dumps(asdict(About("segmentation", scores=(DEPTH,)))).encode())
    with pytest.raises(ValueError, match="test: depth_sum must be finite numbers, 0 or more"):
        read_scores(tmp_path / "scores.parquet")
