import sys

import pytest

from segbench.configuration.choices import choices, config_flags, own_folder, where_else


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A reader's folder, with a network of theirs in ``conf``."""
    (tmp_path / "conf" / "model" / "small").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "small" / "tiny.yaml").write_text("_target_: tiny.TinyNet\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("line", "flags", "own"),
    [
        ("--config-dir conf -m model=tiny", ["--config-dir", "conf"], "conf"),
        ("--config-dir=my/conf=1 model=tiny", ["--config-dir=my/conf=1"], "my/conf=1"),
        ("-cn other model=tiny -cd conf", ["-cn", "other", "-cd", "conf"], "conf"),
        ("--config-dir a --config-dir b", ["--config-dir", "a", "--config-dir", "b"], "b"),
        ("model=unet data.config-dir=x", [], None),
    ],
)
def test_the_flags_of_a_command_are_taken_with_their_values(line, flags, own):
    assert config_flags(line.split()) == flags
    assert own_folder(line.split()) == own


def test_choices_are_those_of_the_project_and_of_the_own_folder(folder, monkeypatch):
    assert "small/tiny" not in choices("model")
    monkeypatch.setattr(sys, "argv", ["run.py", "--config-dir", "conf"])
    assert {"unet", "small/tiny"} <= set(choices("model"))
    assert choices("nothing") == []


def test_a_choice_that_lies_right_here_is_pointed_at(folder):
    assert where_else("model", "small/tiny") == "; for conf/model/small/tiny.yaml add --config-dir conf"
    assert where_else("model", "tiny") == ""
    assert where_else("loss", "small/tiny") == ""
