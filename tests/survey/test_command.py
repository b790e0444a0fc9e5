"""``python src/survey.py``, as typed."""

import pytest

TINY = ("model.width=2", "data.batch_size=4", "trainer.max_epochs=5")


def test_one_command_finds_planted_faults_measures_steps_and_writes_a_page(program, faulty, tmp_path):
    done = program("survey.py", "data=folder", f"data.root={faulty}", "steps=2", *TINY, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    for words in ("3 images equal to one in another part", "2 masks seem shifted", "1 pair of masks seems swapped",
                  "class 3: no training pixel", "1 image exposed unlike all others"):  # fmt: skip
        assert words in said
    assert "a run: about" in said
    assert "an epoch: 7 steps" in said
    page = tmp_path / "outputs" / "surveys" / faulty.name / "index.html"
    assert done.stdout.strip().endswith(str(page.relative_to(tmp_path)))
    text = page.read_text()
    assert "2 training steps on" in text
    assert "4x1x96x96 (images, channels, height, width)" in text
    assert [path.name for path in (tmp_path / "outputs").iterdir() if path.name != ".cache"] == ["surveys"]


@pytest.mark.slow
def test_what_it_proposes_is_a_valid_configuration(surveyed, compose):
    from segbench.configuration.schema import validate

    assert surveyed.proposals
    validate(compose("data=folder", *(part for item in surveyed.proposals for part in item.override.split())))


@pytest.mark.slow
def test_out_and_options_may_stand_anywhere(program, clean, tmp_path):
    done = program(
        "survey.py", "steps=0", f"data.root={clean}", "out=here", "data=folder", "--config-dir", str(tmp_path),
        folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "here" / "index.html").is_file()
    assert "Nothing suspect was found in 40 images." in done.stdout
    assert not (tmp_path / "outputs" / "surveys").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["data=foldr"], "data=foldr: no such choice; did you mean folder?"),
        (["data=phantom", "stps=3"], "stps"),
        (["data=phantom", "steps=many"], "steps=many: should be a number"),
        (["data=phantom", "-m"], "--multirun: survey takes no such option"),
        (["data=phantom", "data.batch_size=0"], "data.batch_size=0: should be greater than 0"),
        (["data=folder", "data.root=nowhere"], "data.root=nowhere: no such folder"),
    ],
)
def test_what_cannot_be_surveyed_is_said_in_one_line(program, tmp_path, arguments, said):
    done = program("survey.py", *arguments, folder=tmp_path)
    assert done.returncode in (2, 3)
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert said in line


@pytest.mark.slow
def test_a_network_that_does_not_fit_costs_only_the_measurement(compose, clean, tmp_path):
    from segbench.survey.look import survey

    cfg = compose("data=folder", f"data.root={clean}", f"paths.cache={tmp_path}", "loss=bce_dice")
    found = survey(cfg, {"data": "folder"})
    assert found.cost is None
    assert "loss" in found.unmeasured
    assert not found.findings
