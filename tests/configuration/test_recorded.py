"""What is written of a configuration: no secret, wherever it comes from."""

import pytest
from omegaconf import OmegaConf

from segbench.configuration.recorded import hide_in_sweep, recorded, recorded_overrides
from segbench.runs.bounded import parse_yaml

CANARY = "canary-5d1f"
NAMED = "canary-of-the-project"


def test_values_of_the_environment_are_recorded_by_their_names(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", CANARY)
    monkeypatch.setenv("WIDTH", "16")
    monkeypatch.setenv("SEGBENCH_DATA", "/data")
    cfg = OmegaConf.create(
        {
            "a": "${oc.env:WANDB_API_KEY}",
            "b": ["x-${a}"],
            "c": "${oc.decode:${oc.env:WIDTH}}",
            "d": "${oc.env:SEGBENCH_DATA,data}",
            "e": "${oc.env:SURELY_UNSET,default}",
            "f": "${oc.env:SURELY_UNSET,null}",
        }
    )
    found = {"a": "<WANDB_API_KEY>", "b": ["x-<WANDB_API_KEY>"], "c": 16, "d": "/data", "e": "default", "f": None}
    assert recorded(cfg) == found
    assert CANARY not in str(recorded(cfg))
    assert cfg.a == CANARY  # what is used is not what is recorded


@pytest.mark.parametrize("key", ["api_key", "hf_token", "password", "AWS_SECRET_ACCESS_KEY", "client_secret", "token"])
def test_keys_that_say_what_they_are_keep_it(key):
    assert recorded(OmegaConf.create({"a": {key: CANARY}})) == {"a": {key: "***"}}
    assert recorded_overrides([f"+a.{key}={CANARY}", "model.width=3"]) == [f"+a.{key}=***", "model.width=3"]


def test_what_only_sounds_so_is_recorded():
    cfg = {"tokens": 77, "tokenizer": "bpe", "token": 5, "keys": ["a"], "author": "me"}
    assert recorded(OmegaConf.create(cfg)) == cfg


def test_addresses_lose_their_passwords():
    url = f"https://me:{CANARY}@host/x?token={CANARY}&size=3"
    assert recorded(OmegaConf.create({"url": url})) == {"url": "https://***@host/x?token=***&size=3"}
    assert recorded_overrides([f"data.url={url}"]) == ["data.url=https://***@host/x?token=***&size=3"]


def test_a_sweep_s_record_is_rewritten(tmp_path):
    path = tmp_path / "multirun.yaml"
    path.write_text(
        f"hydra:\n  overrides:\n    task:\n    - data.token={CANARY}\n    - seed=1\ndata:\n  token: {CANARY}\n"
    )
    hide_in_sweep(path)
    assert CANARY not in path.read_text()
    assert "seed=1" in path.read_text()
    with pytest.raises(ValueError, match="cut short"):
        parse_yaml(path.read_text()[:-4])


@pytest.mark.slow
def test_no_file_of_a_run_and_its_report_holds_a_canary(program, tmp_path):
    tiny = [
        "data.subjects=8",
        "data.slices=2",
        "data.size=[32,32]",
        "model.width=2",
        "trainer.max_epochs=1",
        "logger=wandb",
    ]
    ended = program(
        "run.py", f"paths.outputs={tmp_path}/o", *tiny, "logger.wandb.project=p-${oc.env:MY_SECRET}",
        folder=tmp_path, WANDB_API_KEY=CANARY, MY_SECRET=NAMED, WANDB_MODE="offline",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    reported = program("report.py", f"{tmp_path}/o/runs", folder=tmp_path, WANDB_API_KEY=CANARY)
    assert reported.returncode == 0, reported.stderr
    said = ended.stdout + ended.stderr + reported.stdout + reported.stderr
    assert CANARY not in said
    assert NAMED not in said
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert [path for path, content in files.items() if CANARY.encode() in content] == []
    # The project's name was given to W&B, which keeps it in its own folder.
    holding = [path for path, content in files.items() if NAMED.encode() in content]
    assert [path for path in holding if "wandb" not in path.relative_to(tmp_path).parts] == []


@pytest.mark.parametrize("typed", ["data.split_seed=${seed}", "model.width=${oc.decode:'8'}", "a=${b.c}_${seed}"])
def test_an_interpolation_is_recorded_as_it_was_typed(typed):
    """Of a sweep's job Hydra gives it with backslashes."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    (override,) = OverridesParser.create().parse_overrides([typed])
    given = f"{override.get_key_element()}={override.get_value_element_as_str()}"
    assert recorded_overrides([given]) == recorded_overrides([typed]) == [typed]
