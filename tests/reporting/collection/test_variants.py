import json

import pytest

from segbench.errors import ConfigError
from segbench.reporting.collection.factors import other_differences
from segbench.reporting.collection.runs import collect
from segbench.reporting.collection.variants import name_variants
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import evidence

SETTINGS = {
    "a": {"optimizer.lr": 0.01, "trainer.max_epochs": 60},
    "b": {"optimizer.lr": 0.02, "trainer.max_epochs": 15, "model.width": 8},
}


@pytest.fixture
def variants(make_run):
    """Make runs of the variants ``a`` and ``b``, which differ in three sections, in an experiment that compares them."""
    make_run.comparison = {
        "question": "Which variant is better?",
        "factors": ["variant"],
        "metric": "dice",
        "split": "test",
        "published": [{"where": {"variant": "a"}, "metric": "dice", "value": 0.7, "source": "table 1"}],
        "claims": [{"text": "b wins", "better": {"variant": "b"}, "than": [{"variant": "a"}]}],
    }

    def make(variant, seed=0, named=True, experiment="x/variants", **more):
        config = SETTINGS[variant] | more.pop("config", {})
        return make_run(
            "unet",
            seed,
            tp={"a": 80, "b": 90}[variant],
            name=f"fake-unet-{variant}-seed{seed}",
            experiment=experiment,
            choices={"variant": variant if named is True else named},
            config=config,
            **more,
        )

    make.root = make_run.root
    make.folder = make_run.root / "x/variants"
    return make


def link(run, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / run.name).symlink_to(run)


def swept(folder, jobs):
    """Write the list of a sweep: the run directory's name and its overrides."""
    record = [{"directory": name, "overrides": overrides, "exit_code": 0} for name, overrides in jobs.items()]
    (folder / "sweep.json").write_text(json.dumps({"jobs": record}))


def rows_of(folder):
    return {row.values: [run.seed for run in row.done] for row in compare(collect([folder])).rows}


def test_a_variant_is_a_row_and_accounts_for_all_that_it_sets(variants):
    for seed in (0, 1):
        variants("a", seed)
        variants("b", seed)
    comparison = compare(collect([variants.folder]))
    assert comparison.factors == ("variant",)
    assert [row.label for row in comparison.rows] == ["a", "b"]
    assert comparison.rows[0].published.value == 0.7
    assert evidence(comparison).claims[0].winner == "b"
    assert [rival.label for rival in evidence(comparison).claims[0].rivals] == ["a"]


def test_a_variant_does_not_account_for_what_differs_within_it(variants):
    variants("a", 0)
    variants("b", 0)
    variants("b", 1, config={"optimizer.lr": 0.5})
    with pytest.raises(ConfigError, match=r"differ in optimizer\.lr .*; besides variant and seed"):
        compare(collect([variants.folder]))


def test_a_link_is_called_as_the_sweep_asked_for_it(variants):
    # Trained elsewhere under no name, and under another.
    for seed, named in ((0, None), (1, "other/name")):
        link(variants("a", seed, named=named, experiment="x/elsewhere"), variants.folder)
        variants("b", seed)
    swept(
        variants.folder,
        {f"fake-unet-{name}-seed{seed}": [f"variant={name}", f"seed={seed}"] for name in "ab" for seed in (0, 1)},
    )
    assert rows_of(variants.folder) == {("a",): [0, 1], ("b",): [0, 1]}


def test_a_link_that_the_latest_sweep_does_not_list_is_called_like_its_settings(variants):
    link(variants("a", 0, named=None, experiment="x/elsewhere"), variants.folder)
    variants("b", 0)
    variants("a", 1)
    variants("b", 1)
    swept(variants.folder, {f"fake-unet-{name}-seed1": [f"variant={name}", "seed=1"] for name in "ab"})
    assert rows_of(variants.folder) == {("a",): [0, 1], ("b",): [0, 1]}


def test_a_link_of_other_settings_is_not_called_like_any(variants):
    link(variants("a", 0, named=None, experiment="x/elsewhere", config={"freeze": "encoder"}), variants.folder)
    variants("a", 1)
    names = {run.seed: run.choices.get("variant") for run in name_variants(collect([variants.folder]))}
    assert names == {0: None, 1: "a"}


@pytest.mark.parametrize(
    "text", ["", "[]", '{"jobs": 3}', '{"jobs": [{"directory": "x"}]}', '{"jobs": [{"overrides": 1}]}']
)
def test_a_damaged_list_of_a_sweep_leaves_the_runs_their_names(variants, text):
    variants("a", 0)
    (variants.folder / "sweep.json").write_text(text)
    assert [run.choices["variant"] for run in name_variants(collect([variants.folder]))] == ["a"]


def test_without_a_comparison_variants_are_what_differs(variants):
    variants("a")
    variants("b")
    assert other_differences(collect([variants.folder]), ()) == ["variant"]


def test_a_variant_that_only_some_have_is_no_name_for_a_difference(variants):
    # A run of one variant is linked into an experiment of another factor, whose own runs have no variant.
    variants("a", 0)
    variants("a", 0, named=None, experiment="x/other", config={"optimizer.lr": 0.5})
    assert other_differences(collect([variants.root]), ()) == ["optimizer.lr"]
    assert other_differences(collect([variants.root]), ["optimizer.lr"]) == []
