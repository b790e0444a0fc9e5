"""What a user types: exit codes and single lines."""

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def run_py(program, tmp_path):
    return lambda *arguments: program("run.py", f"paths.outputs={tmp_path}/outputs", *arguments)


REFUSED = {
    "model=attnet": "model=attnet: no such choice; did you mean attunet?",
    "data=carvanna": "data=carvanna: no such choice; did you mean carvana?",
    "experiment=carvana/archtectures": "did you mean",
    "model=unet model.pretrained=imagenet": "model.pretrained: model=unet has no such key; --cfg job prints all keys",
    "data=cmr data.fit_o=3": "data.fit_o: data=cmr has no such key; did you mean data.fit_on?",
    "model=unet,attunet": "model=unet,attunet: several values; add -m to sweep over them",
    "lrr=3": "lrr: no such key; did you mean optimizer.lr?",
    "data=glas stain=hed": "stain: no such key; did you mean data.stain?",
    "comparison.metric=dice": "comparison.metric: only an experiment has a comparison; add experiment=<name>, or",
    "optimizer.lrr=3": "optimizer.lrr: no such key; did you mean optimizer.lr?",
    "+model.witdh=3": "model.witdh: UNet has no such option; did you mean width?",
    "optimizer.lr=abc": "optimizer.lr=abc: should be a valid number",
    "optimizer.lr=": "optimizer.lr=",
    "optimizer.lr=-1": "optimizer.lr=-1: should be greater than 0",
    "optimizer.lr=0": "optimizer.lr=0: should be greater than 0",
    "optimizer.lr=nan": "optimizer.lr=nan: should be a finite number",
    "trainer.max_epochs=0": "trainer.max_epochs=0: should be greater than 0",
    "trainer.max_epochs=1.5": "trainer.max_epochs=1.5: should be a valid integer",
    "data.batch_size=0": "data.batch_size=0: should be greater than 0",
    "data.batch_size=al": "data.batch_size=al: should be a whole number of images, or the word all",
    "data.batch_size=1.5": "data.batch_size=1.5: should be a whole number of images, or the word all",
    "data.size=[96]": "data.size=[96]: list should have at least 2 items",
    "model.width=wide": "model.width=wide: should be a valid integer",
    "predict.window=512": "predict.window=512: should be a list, for example [512,512]",
    "seed=-1": "seed=-1: should be greater than or equal to 0",
    "trainer.precision=8": "trainer.precision=8: should be 'auto', 'fastest', 32, 'bf16-mixed' or '16-mixed'",
    "loss.smooth=soft": "loss.smooth=soft: should be a valid number",
    "paths.data=???": "paths.data",
}


# One of each kind; CI tries all.
EVERY_DAY = ("model=attnet", "model=unet,attunet", "+model.witdh=3", "model.width=wide")


@pytest.mark.parametrize(
    "argument",
    [pytest.param(argument, marks=() if argument in EVERY_DAY else pytest.mark.slow) for argument in REFUSED],
)
def test_a_bad_configuration_is_one_line_and_exit_code_2_before_anything_is_made(run_py, tmp_path, argument):
    code, _, said = run_py(*argument.split())
    assert code == 2, said
    assert REFUSED[argument] in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "outputs").exists()


def test_a_process_ends_with_the_exit_code_of_its_refusal(fresh_program, tmp_path):
    result = fresh_program("run.py", f"paths.outputs={tmp_path}/outputs", "model=attnet")
    assert result.returncode == 2, result.stderr
    assert result.stderr == "error: model=attnet: no such choice; did you mean attunet?\n"
    assert not (tmp_path / "outputs").exists()


def test_help_shows_every_group_and_examples(fresh_program):
    text = fresh_program("run.py", "--help").stdout
    for group in ("data", "model", "loss", "augmentation", "optimizer", "scheduler", "trainer", "logger", "callbacks"):
        assert re.search(rf"^{group}: .*\w", text, re.MULTILINE), group
    assert "carvana: architectures" in text
    assert text.count("python src/run.py") == 4
    # Hydra lists the choices of a group on one line, however many there are.
    lists = re.compile(r"[\w/]+: \w+(, \w+)*")
    assert max(len(line) for line in text.splitlines() if not lists.fullmatch(line)) <= 120


def test_one_command_trains_and_shows_where_the_results_are(either_program, run_py, tmp_path):
    tiny = ["data.subjects=8", "data.slices=2", "data.size=[32,32]", "model.width=2", "trainer.max_epochs=2"]
    result = either_program("run.py", f"paths.outputs={tmp_path}/outputs", "model=attunet", "loss=dice", *tiny)
    assert result.returncode == 0, result.stderr
    (directory,) = (path for path in (tmp_path / "outputs" / "runs").iterdir() if path.is_dir())
    assert re.fullmatch(r"phantom-attunet-dice-seed0-[0-9a-f]{10}", directory.name)
    # Relative where it lies below the working directory.
    assert directory.name in result.stdout.replace("\n", "")
    assert "left ventricle" in result.stdout
    for name in (
        "config.yaml",
        "run.json",
        "status.json",
        "metrics.csv",
        "scores.parquet",
        "summary.json",
        "train.log",
        "predictions.zip",
    ):
        assert (directory / name).stat().st_size > 0, name
    assert (directory / "figures" / "predictions.png").read_bytes()[:4] == b"\x89PNG"
    assert list((directory / "tensorboard").glob("events*"))
    assert len((directory / "metrics.csv").read_text().splitlines()) == 3
    again = run_py("model=attunet", "loss=dice", *tiny)
    assert again.returncode == 0
    assert "already done" in again.stderr
    assert "left ventricle" in again.stdout


def test_bad_data_is_exit_code_3(run_py, tmp_path):
    result = run_py("data=carvana", f"paths.data={tmp_path}/nowhere")
    assert result.returncode == 3
    assert result.stderr.strip().splitlines()[-1].startswith(f"error: data.root={tmp_path}/nowhere/carvana")
    assert "Traceback" not in result.stderr


def test_an_output_folder_that_cannot_be_made(run_py, tmp_path):
    (tmp_path / "file").write_text("in the way")
    result = run_py(f"paths.outputs={tmp_path}/file/outputs")
    assert result.returncode == 74
    assert f"{tmp_path}/file" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_debug_shows_the_traceback(run_py, tmp_path):
    result = run_py("data=carvana", f"paths.data={tmp_path}/nowhere", "debug=true")
    assert result.returncode == 3
    assert "Traceback" in result.stderr


@pytest.mark.slow
def test_a_variable_of_the_environment_is_recorded_as_it_was_typed(program, tmp_path):
    tiny = ["data.subjects=8", "data.slices=2", "data.size=[32,32]", "model.width=2", "trainer.max_epochs=1"]
    asked = "comparison={question: '${oc.env:ASKED}', factors: [model], metric: dice, split: test}"
    result = program(
        "run.py", f"paths.outputs={tmp_path}/outputs", *tiny, "~callbacks.panels", asked, ASKED="canary-5d2"
    )
    assert result.returncode == 0, result.stderr
    assert "canary-5d2" not in result.stdout + result.stderr
    holding = [path for path in tmp_path.rglob("*") if path.is_file() and b"canary-5d2" in path.read_bytes()]
    assert not holding
    (run,) = (tmp_path / "outputs" / "runs").glob("*/run.json")
    assert "${oc.env:ASKED}" in run.read_text()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_output_that_cannot_be_written_is_one_line(repository):
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, str(repository / "src" / "predict.py"), "--help"]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 74
    assert ended.stderr == (
        "error: standard output: cannot be written (No space left on device); send it where there is room\n"
    )
