import json
import math
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from segbench.errors import ConfigError
from segbench.reporting.collection.factors import (
    factor_value,
    flatten,
    other_differences,
    require_comparable,
    require_one_data_set,
    show_value,
)
from segbench.reporting.collection.runs import Run, collect
from segbench.reporting.comparison.build import compare
from segbench.runs.bounded import read_yaml


def test_differing_keys_are_refused_by_name(architectures):
    architectures("unet")
    architectures("attunet", config={"optimizer.lr": 0.01, "trainer.max_epochs": 9})
    runs = collect([architectures.root])
    with pytest.raises(
        ConfigError,
        match=r"differ in optimizer\.lr, trainer\.max_epochs \(.*\); besides model and seed they must be alike",
    ) as caught:
        compare(runs)
    assert "\n" not in str(caught.value)
    assert "(0.01, 9: fake-attunet-dice-seed0 / 0.001, 5: fake-unet-dice-seed0)" in str(caught.value)
    mixed = compare(runs, mix=True)
    assert mixed.factors == ("model", "optimizer.lr", "trainer.max_epochs")
    assert [row.values for row in mixed.rows] == [("attunet", 0.01, 9), ("unet", 0.001, 5)]


@pytest.mark.slow
def test_a_refusal_says_which_runs_have_which_value(architectures):
    for seed in range(12):
        architectures("unet", seed, choices={"loss": "focal" if seed == 3 else "dice"},
                      config={"loss": {"gamma": 2 if seed == 3 else 1}, "optimizer.lr": 0.01 if seed > 9 else 0.001})  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        compare(collect([architectures.root]))
    said = str(caught.value)
    names = [f"fake-unet-dice-seed{seed}" for seed in range(12)]
    assert f"focal: {names[3]})" in said
    assert f"0.01: {names[10]} and {names[11]}" in said
    # Of many runs eight are named.
    assert f"(dice: {names[0]}, {names[1]}, {names[10]}," in said
    assert "and 3 others / focal" in said


def test_a_group_accounts_only_for_what_its_choice_decides(architectures):
    architectures("unet", 0)
    architectures("attunet", 0, config={"model.width": 32})
    assert [row.values for row in compare(collect([architectures.root])).rows] == [("attunet",), ("unet",)]
    architectures("unet", 1, config={"model.width": 16})
    with pytest.raises(ConfigError, match=r"differ in model\.width \("):
        compare(collect([architectures.root]))


def test_seed_places_and_what_repeats_the_seed_are_no_difference(architectures):
    for seed in (0, 1):
        start = f"{architectures.root}/runs/fake-unet-dice-seed{seed}-*"
        architectures(
            "unet", seed, config={"init_from": start, "data.num_workers": seed, "trainer.accelerator": f"x{seed}"}
        )
    assert [len(row.done) for row in compare(collect([architectures.root])).rows] == [2]


def test_a_key_that_equals_the_seed_only_by_chance_is_a_difference(architectures):
    for seed in (0, 1):
        architectures("unet", seed, config={"data.batch_size": seed})
    with pytest.raises(ConfigError, match=r"data\.batch_size"):
        compare(collect([architectures.root]))


def test_another_name_for_the_same_settings_is_no_difference(architectures):
    architectures("unet", 0, choices={"trainer": "default"})
    architectures("unet", 1, choices={"trainer": "gpu"}, config={"trainer.accelerator": "gpu"})
    assert len(compare(collect([architectures.root])).rows) == 1


def test_without_a_comparison_the_factors_are_what_differs(make_run):
    make_run("unet", 0)
    make_run("unet", 1)
    make_run("attunet", 0, config={"optimizer.lr": 0.0001})
    make_run("attunet", 1, config={"optimizer.lr": 0.01})
    comparison = compare(collect([make_run.root]))
    assert comparison.factors == ("model", "optimizer.lr")
    assert [row.values for row in comparison.rows] == [("attunet", 0.0001), ("attunet", 0.01), ("unet", 0.001)]


def test_a_single_run_needs_no_factor(make_run):
    make_run()
    comparison = compare(collect([make_run.root]))
    assert (comparison.factors, len(comparison.rows)) == ((), 1)


def test_a_failed_run_of_other_settings_does_not_block_the_table(architectures):
    architectures("unet", 0)
    architectures("unet", 1, state="failed", reason="stopped", config={"trainer.max_epochs": 1})
    comparison = compare(collect([architectures.root]))
    assert [len(row.runs) for row in comparison.rows] == [1]
    assert comparison.unfinished[0][1] == "stopped (in no row: other trainer.max_epochs)"


def test_the_value_of_a_factor_comes_from_choice_key_or_override(make_run):
    folder = make_run(config={"optimizer.lr": 0.01})
    (run,) = collect([folder])
    assert [factor_value(run, key) for key in ("model", "optimizer.lr", "freeze", "data.tiles", "data.size")] == [
        "unet",
        0.01,
        None,
        "–",
        "[20, 50]",
    ]
    (folder.parent / "sweep.json").write_text(
        '{"jobs": [{"directory": "lost", "overrides": ["+optimizer.lr=1e-2", "freeze=null"], "exit_code": 2}]}'
    )
    lost = collect([folder.parent])[1]
    assert [factor_value(lost, key) for key in ("optimizer.lr", "freeze", "model")] == [0.01, None, "?"]


def test_numbers_and_truth_values_are_told_apart(make_run):
    make_run("unet", 0, config={"trainer.compile": True})
    make_run("unet", 1, config={"trainer.compile": 1})
    make_run("unet", 2, config={"trainer.compile": 1.0})
    runs = collect([make_run.root])
    assert other_differences(runs, []) == ["trainer.compile"]
    assert other_differences(runs[1:], []) == []


def test_the_number_of_processes_is_a_difference_where_each_normalises_its_own_images(make_run):
    for seed, (devices, machines) in enumerate([(1, 1), (2, 1), (1, 2), (4, 1)]):
        of_processes = {"trainer.devices": devices, "trainer.num_nodes": machines}
        make_run("unet", seed, config=of_processes | {"trainer.sync_batchnorm": True})
        make_run("attunet", seed, config=of_processes | {"trainer.sync_batchnorm": False})
    runs = collect([make_run.root])
    together = [run for run in runs if run.choices["model"] == "unet"]
    assert other_differences(together, []) == []
    own = [run for run in runs if run.choices["model"] == "attunet"]
    assert other_differences(own, []) == ["trainer.processes"]
    assert sorted(factor_value(run, "trainer.processes") for run in own) == [1, 2, 2, 4]
    # Which is what somebody compares who compares these.
    assert other_differences(own, ["trainer.devices", "trainer.num_nodes"]) == []
    assert other_differences(own, ["trainer.devices"]) == ["trainer.processes"]
    comparison = compare(own)
    assert [(row.values, len(row.runs)) for row in comparison.rows] == [((1,), 1), ((2,), 2), ((4,), 1)]


def test_flatten_and_show():
    assert flatten({"a": {"b": {"c": 1}}, "d": [1, {"e": 2}]}) == {"a.b.c": 1, "d": '[1, {"e": 2}]'}
    assert [show_value(value) for value in (None, 0.0001, 0.1 + 0.2, 64, True)] == [
        "none",
        "0.0001",
        "0.30000000000000004",
        "64",
        "True",
    ]


def test_runs_of_other_files_behind_equal_settings_are_refused_and_named(architectures):
    architectures("unet", 0, fingerprint="1111aaaa2222")
    architectures("attunet", 0, fingerprint="1111aaaa2222")
    architectures("unet", 1, fingerprint="3333bbbb4444", config={"data.batch_size": 4})
    runs = collect([architectures.root])
    with pytest.raises(
        ConfigError,
        match=r"differ in data\.fingerprint \(fake-attunet-dice-seed0 and fake-unet-dice-seed1 read different files",
    ) as caught:
        compare(runs)
    assert "\n" not in str(caught.value)
    mixed = compare(runs, mix=True)
    assert [row.values for row in mixed.rows] == [("attunet", "1111aaaa"), ("unet", "1111aaaa"), ("unet", "3333bbbb")]


def test_runs_that_split_the_same_images_otherwise_by_equal_settings_are_refused_and_named(architectures):
    architectures("unet", 0, content="a", split="x", config={"data.split_seed": 0})
    architectures("unet", 1, content="a", split="y", config={"data.split_seed": 1})
    # One of before that was recorded.
    architectures("attunet", 0, content="a", config={"data.split_seed": 0})
    assert len(compare(collect([architectures.root])).rows) == 2
    architectures("attunet", 1, content="a", split="z", config={"data.split_seed": 1})
    said = "fake-attunet-dice-seed1 and fake-unet-dice-seed1 split their images differently by equal settings"
    with pytest.raises(ConfigError, match=rf"differ in data\.split_digest \({said}\)"):
        compare(collect([architectures.root]))
    mixed = compare(collect([architectures.root]), mix=True)
    assert {row.values for row in mixed.rows} == {("attunet", "–"), ("attunet", "z"), ("unet", "x"), ("unet", "y")}


def test_equal_content_is_the_same_data_whatever_the_files_are_and_other_content_is_not(architectures):
    architectures("unet", 0, fingerprint="1", content="a")
    architectures("unet", 1, fingerprint="2", content="a")
    # Runs of before the content was told are those of the runs of the same files.
    architectures("attunet", 0, fingerprint="1")
    architectures("attunet", 1, fingerprint="2")
    assert [len(row.done) for row in compare(collect([architectures.root])).rows] == [2, 2]
    architectures("unet", 2, fingerprint="1", content="b")
    with pytest.raises(ConfigError, match=r"differ in data\.fingerprint .*-unet-dice-seed2 read different files"):
        compare(collect([architectures.root]))
    mixed = compare(collect([architectures.root]), mix=True)
    assert [row.values for row in mixed.rows] == [("attunet", "a"), ("unet", "a"), ("unet", "b")]


def test_files_that_no_run_tells_the_content_of_are_others(architectures):
    architectures("unet", 0, fingerprint="1", content="a")
    architectures("attunet", 0, fingerprint="2")
    with pytest.raises(ConfigError, match=r"differ in data\.fingerprint"):
        compare(collect([architectures.root]))


def test_other_settings_of_the_data_explain_another_fingerprint(architectures):
    architectures.comparison["factors"] = ["data.size"]
    architectures("unet", 0, fingerprint="1")
    architectures("unet", 0, fingerprint="2", config={"data.size": [10, 25]}, name="small")
    assert len(compare(collect([architectures.root])).rows) == 2


def test_a_run_that_tells_no_fingerprint_is_compared_with_any(architectures):
    architectures("unet", 0)
    architectures("unet", 1, fingerprint="1")
    architectures("unet", 2, state="failed", reason="stopped")
    assert [len(row.done) for row in compare(collect([architectures.root])).rows] == [2]


def test_settings_are_read_as_omegaconf_reads_them(tmp_path):
    text = """
a: {b: [1, 2.5, -1e-3, .5e3, 1e5, null, yes, "no", 2026-01-02, 08, ~]}
c: ${paths.outputs}/x
d: ???
e: .nan
f: -.inf
g: "1e-3"
h: 12e03
i: 1_000
"""
    path = tmp_path / "config.yaml"
    path.write_text(text)
    ours, theirs = read_yaml(path), OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    assert math.isnan(ours.pop("e"))
    theirs.pop("e")
    assert json.dumps(ours) == json.dumps(theirs)


def test_an_unfinished_run_is_compared_with_a_run_of_each_row(architectures):
    for model, width in (("attunet", 64), ("unet", 32)):
        architectures(model, config={"model.width": width})
    architectures("unet", 1, state="failed", config={"model.width": 64})
    architectures("unet", 2, state="failed", config={"model.width": 32})
    comparison = compare(collect([architectures.root]))
    assert [len(row.runs) for row in comparison.rows] == [1, 2]
    (stranger,) = [reason for _, reason in comparison.unfinished if "in no row" in reason]
    assert "other model.width" in stranger


def test_a_refusal_lists_a_dozen_keys():
    runs = [
        Run(Path("a") / str(number), "done", config={"data": {f"k{key:02}": number for key in range(40)}})
        for number in range(2)
    ]
    with pytest.raises(ConfigError) as refusal:
        require_comparable(runs, ["model"], mix=False)
    assert "data.k11 and 28 further keys (0, 0, " in str(refusal.value)
    assert "data.k12" not in str(refusal.value)


def of_data(images, fingerprint, size=None):
    data = {"_target_": "segbench.data.folder.data.FolderData", "images": images, "size": size}
    return Run(Path("out/runs") / images, "done", config={"data": data}, summary={"data": {"fingerprint": fingerprint}})


def test_runs_of_several_data_sets_are_refused_with_the_remedy():
    runs = [of_data("leaves", "a"), of_data("leaves", "a"), of_data("cells", "b")]
    with pytest.raises(ConfigError) as refused:
        require_one_data_set(runs)
    assert str(refused.value) == (
        "out/runs: 2 runs of data.images=leaves and 1 run of data.images=cells: scores of different data say nothing of"
        " each other; name the run directories of one, or give --mix for a table of all; paths.outputs=outputs/<name>"
        " gives each its folder"
    )
    # Other sizes are other arrays of the same files; a folder that was moved has the same files.
    require_one_data_set([of_data("leaves", "a"), of_data("leaves", "b", size=[8, 8])])
    require_one_data_set([of_data("leaves", "a"), of_data("moved", "a")])
    require_one_data_set([])
