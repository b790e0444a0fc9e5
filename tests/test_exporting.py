"""A run's network for use elsewhere: the same outputs, held against another runtime; or one line and nothing written."""

import json
import re
import shutil
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import safetensors
import torch
import yaml
from PIL import Image
from tests.conftest import TINY
from torch import nn

from segbench import api, exporting
from segbench.assembly import build_data, build_task
from segbench.data.base import ImageData
from segbench.data.pictures import picture_of
from segbench.errors import CheckpointError, ConfigError, SegbenchError, StorageError
from segbench.exporting import procedure
from segbench.model_formats import SIDECAR
from segbench.model_formats.formats import FORMATS
from segbench.model_formats.sidecar import digest
from segbench.prediction_record import describe_prediction
from segbench.predictor import Predictor
from segbench.runs.checkpoint_io import load_checkpoint
from segbench.runs.directory import SCHEMA
from segbench.targets import own_class
from segbench.tasks.windows import Windows

CPU = torch.device("cpu")
# Sides that are no multiples of any network's, and unequal.
SIZE = "data.size=[40,36]"


@pytest.fixture(scope="module")
def trained(run, tiny, tmp_path_factory):
    """A finished run."""
    folder = tmp_path_factory.mktemp("export")
    run(tiny(folder, "model=unet_cardiac", SIZE), folder / "run")
    return folder / "run"


@pytest.fixture
def own(trained, tmp_path):
    """A copy of it, to be spoiled."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def test_weights_are_exported_described_and_read_back(program, own, tmp_path):
    done = program("export.py", f"run={own}", "to=safetensors", "licence=cc-by-4.0")
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"^held against the run on 3 images of its test split: largest difference 0.0e\+00 in", done.stdout
    )
    folder = Path(done.stdout.splitlines()[-1]).parent
    assert folder == own / "exports" / "safetensors"
    image = np.random.default_rng(0).integers(0, 256, (50, 41), np.uint8)
    one, two = (Predictor.load(place, CPU) for place in (own, folder))
    np.testing.assert_array_equal(one(image), two(image))
    card = (folder / "README.md").read_text()
    assert yaml.safe_load(card.split("---")[1]) == {"license": "cc-by-4.0", "library_name": "segbench"}
    scores = pd.read_parquet(own / "scores.parquet").query("split == 'test' and class_index > 0")
    assert f"- test: {scores['id'].nunique()} images of {scores['group'].nunique()} subjects" in card
    summary = json.loads((own / "summary.json").read_text())
    assert f"| dice | {summary['scores']['test']['dice']:.4f} (subjects from " in card
    assert f"commit {str(summary['git']['commit'])[:12]}" in card
    assert "loss._target_=segbench.losses.DiceLoss" in card
    assert str(tmp_path) not in card + (folder / SIDECAR).read_text()


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["to=onxx"], 2, r"to=onxx: no such format; did you mean onnx\?; choose onnx"),
        pytest.param(
            ["to=onnx", "licens=mit"], 2, r"licens=mit: no such option; did you mean licence\?", marks=pytest.mark.slow
        ),
        pytest.param([], 2, r"to: missing; usage: python src/export.py run=", marks=pytest.mark.slow),
        pytest.param(["to=safetensors", "images=nowhere.png"], 3, r"nowhere.png", marks=pytest.mark.slow),
        (["to=safetensors", "out=taken"], 2, r"out=.*taken: holds something else than an export to safetensors"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_nothing_is_written(program, trained, tmp_path, words, code, line):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.tex").write_text("years of work")
    done = program("export.py", f"run={trained}", *words, folder=tmp_path)
    assert (done.returncode, re.search(rf"^error: {line}", done.stderr) is not None) == (code, True), done.stderr
    assert not (trained / "exports").exists()
    assert [path.name for path in tmp_path.rglob("*")] == ["taken", "thesis.tex"]


def other_outputs(monkeypatch, by: float, form: str = "safetensors"):
    """Let a format write weights that are not the run's."""
    write = type(FORMATS[form]).write

    def wrong(self, network, normalise, graph):
        before = {name: value.clone() for name, value in network.state_dict().items()}
        with torch.no_grad():
            for name, value in network.named_parameters():
                if name.endswith("bias"):
                    value += by
        content = write(self, network, normalise, graph)
        network.load_state_dict(before)
        return content

    monkeypatch.setattr(type(FORMATS[form]), "write", wrong)


def test_other_outputs_are_refused_with_exit_code_1(own, monkeypatch):
    other_outputs(monkeypatch, 1e-3)
    with pytest.raises(
        SegbenchError, match=r"CardiacUNet gives other outputs than the run: .*nothing was written$"
    ) as error:
        exporting.export(own, "safetensors")
    assert error.value.exit_code == 1
    assert not (own / "exports").exists()
    with pytest.raises(SegbenchError, match=r"limit 1e-04"):
        exporting.export(own, "safetensors", out=own / "elsewhere")
    assert not (own / "elsewhere").exists()


@pytest.mark.slow
def test_differences_below_the_limit_are_told(own, monkeypatch):
    """So that the test above fails for its reason."""
    other_outputs(monkeypatch, 1e-6)
    found = exporting.export(own, "safetensors")
    assert 1e-8 < found.check.logits < 1e-4
    assert json.loads((found.folder / SIDECAR).read_text())["check"]["logits"] == found.check.logits


def test_a_disk_that_is_full_leaves_nothing(own, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "README.md")

    monkeypatch.setattr(procedure, "write_text", full)
    with pytest.raises(StorageError, match=r"^out=.*safetensors: cannot be written \(No space left on device\)"):
        exporting.export(own, "safetensors")
    assert not (own / "exports" / "safetensors").exists()


def test_a_damaged_export_is_made_again_where_it_is(own):
    folder = exporting.export(own, "safetensors").folder
    (folder / SIDECAR).write_text("{")
    (folder / "model.safetensors").unlink()
    exporting.export(own, "safetensors")
    assert Predictor.load(folder, CPU).key.names[0] == "background"
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match=r"holds something else than an export to safetensors"):
        exporting.export(own, "safetensors")


def test_the_card_of_other_weights_tells_no_scores(own):
    card = (exporting.export(own / "checkpoints" / "last.ckpt", "safetensors").folder / "README.md").read_text()
    assert "Nothing is known: the run has scored its best weights" in card
    assert "chosen by" not in card
    assert "dice |" not in card
    card = (exporting.export(own / "checkpoints" / "best.ckpt", "safetensors").folder / "README.md").read_text()
    assert "chosen by" in card
    assert "| dice |" in card


def test_without_its_data_other_images_are_asked_for(own, tmp_path):
    config = own / "config.yaml"
    settings = config.read_text()
    config.write_text(settings.replace("segbench.data.phantom.PhantomData", "subprocess.Popen"))
    with pytest.raises(
        ConfigError, match=r"names subprocess.Popen, which is not segbench's; trust=true.*images=<folder"
    ):
        exporting.export(own, "safetensors")
    config.write_text(settings.replace("\ndata:\n", "\nother:\n"))
    with pytest.raises(CheckpointError, match=r"config.yaml: no data or no paths.cache; images=<folder"):
        exporting.export(own, "safetensors")
    config.unlink()
    with pytest.raises(CheckpointError, match=r"config.yaml.*; images=<folder or file> holds the export against other"):
        exporting.export(own, "safetensors")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 41), np.uint8)).save(tmp_path / "image.png")
    found = exporting.export(own / "checkpoints" / "best.ckpt", "safetensors", images=tmp_path)
    assert found.check.images == "1 image that were given"
    assert (found.folder / "README.md").read_text().count("Nothing is known of data, scores and training") == 1


@pytest.mark.parametrize("place", ["  subjects: ${evil}", "  regions: ['${evil}']"])
def test_a_configuration_refers_to_no_code(own, tmp_path, place):
    """What looks like a plain value becomes what it refers to where it is read."""
    evil = f"evil:\n  _target_: shutil.copyfile\n  src: {own / 'run.json'}\n  dst: {tmp_path / 'executed'}\n"
    config = own / "config.yaml"
    settings = re.sub(rf"^{place.partition(':')[0]}: .*$", lambda _: place, config.read_text(), flags=re.MULTILINE)
    assert place in settings
    config.write_text(settings.replace("\ndata:\n", f"\n{evil}data:\n"))
    with pytest.raises(ConfigError, match=r"^run=.*: data refers to other settings.*; images=<folder or file>"):
        exporting.export(own, "safetensors")
    config.write_text(settings.replace(place, place.replace("${evil}", "${oc.env:HOME}")))
    with pytest.raises(ConfigError, match=r": data refers to other settings"):
        exporting.export(own, "safetensors")
    assert not (tmp_path / "executed").exists()


def test_nothing_is_fetched_from_where_a_file_of_anyone_says(own, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("segbench.data.glas.download", lambda files: asked.extend(file.url for file in files))
    config = own / "config.yaml"
    known = yaml.safe_load(config.read_text())
    glas = {"_target_": "segbench.data.glas.GlasData", "root": str(tmp_path / "none"), "url": "file:///etc"}
    config.write_text(f"---\n{yaml.safe_dump(known | {'data': glas})}...\n")
    with pytest.raises(SegbenchError, match=r"; images=<folder or file>"):
        exporting.export(own, "safetensors")
    assert [url.partition(":")[0] for url in asked] == ["https"]


def test_every_data_set_of_ours_is_read_without_trust(repository):
    for path in sorted((repository / "conf" / "data").glob("*.yaml")):
        target = yaml.safe_load(path.read_text())["_target_"]
        assert own_class("segbench.data", target, ImageData), target


@pytest.mark.parametrize(
    "package", ["onnx", *(pytest.param(name, marks=pytest.mark.slow) for name in ("onnxscript", "onnxruntime"))]
)
def test_a_missing_package_is_one_line_that_names_the_extra(trained, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=rf"^to=onnx: {package} .*; pip install .*\[onnx\]'$"):
        exporting.export(trained, "onnx")


def test_a_package_may_come_by_another_distribution(own, monkeypatch):
    """As onnxruntime comes by onnxruntime-gpu."""
    ask = metadata.distribution

    def distribution(name):
        if name == "safetensors":
            raise metadata.PackageNotFoundError(name)
        return ask(name)

    monkeypatch.setattr(metadata, "distribution", distribution)
    assert exporting.export(own, "safetensors").sidecar.versions["safetensors"] == safetensors.__version__


# -- ONNX ----------------------------------------------------------------------------------------------


def outputs_elsewhere(folder: Path, images: np.ndarray) -> np.ndarray:
    """The logits as a program without segbench has them, by ONNX Runtime or libtorch: padded and cropped as told."""
    told = json.loads((folder / SIDECAR).read_text())
    multiple = told["graph"]["multiple_of"]
    height, width = images.shape[2:]
    padded = np.pad(images, ((0, 0), (0, 0), (0, -height % multiple), (0, -width % multiple)), mode="edge")
    padded = padded.astype(np.float32)
    if told["format"] == "torchscript":
        with torch.inference_mode():
            logits = torch.jit.load(folder / told["file"])(torch.from_numpy(padded)).numpy()
    else:
        session = onnxruntime.InferenceSession(str(folder / told["file"]), providers=["CPUExecutionProvider"])
        (logits,) = session.run([told["graph"]["output"]], {told["graph"]["input"]: padded})
    return logits[..., :height, :width]


def outputs_of_run(cfg, checkpoint: Path, images: np.ndarray) -> np.ndarray:
    """The logits by torch: the network that the configuration names, the weights, the normalisation by its formula."""
    data = build_data(cfg)
    data.setup()
    task = build_task(cfg, data, restored=True)
    task.load_state_dict(load_checkpoint(checkpoint)["state_dict"])
    mean, std = (np.asarray(value).reshape(1, -1, 1, 1) for value in (data.mean, data.std))
    normalised = (images / data.scale - mean) / std
    with torch.inference_mode():
        return task.eval()(torch.from_numpy(normalised.astype(np.float32))).numpy()


@pytest.fixture(scope="module")
def onnx(trained):
    """The run, exported to ONNX."""
    return exporting.export(trained, "onnx").folder


@pytest.mark.slow
def test_another_program_gets_the_run_s_outputs_at_any_size(trained, onnx, tiny, tmp_path):
    cfg = tiny(tmp_path, "model=unet_cardiac", SIZE)
    for shape in ((1, 1, 40, 36), (3, 1, 17, 61)):
        images = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)
        expected = outputs_of_run(cfg, trained / "checkpoints" / "best.ckpt", images)
        np.testing.assert_allclose(outputs_elsewhere(onnx, images), expected, atol=1e-5)


@pytest.mark.slow
def test_predict_gives_the_run_s_masks_also_by_windows(program, trained, onnx, tmp_path):
    (tmp_path / "images").mkdir()
    for number, shape in enumerate([(50, 41), (120, 97)]):
        pixels = np.random.default_rng(number).integers(0, 256, shape, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
    for further in ([], ["window=[32,24]"], ["tta=flips"]):
        for name, place in (("run", trained), ("export", onnx)):
            words = (f"run={place}", f"images={tmp_path / 'images'}", f"out={tmp_path / name}", "probabilities=true")
            done = program("predict.py", *words, *further)
            assert done.returncode == 0, done.stderr
        for path in sorted((tmp_path / "run").rglob("*.png")):
            if path.parent.name == "masks":
                mine, theirs = (
                    np.asarray(Image.open(part)) for part in (path, tmp_path / "export" / "masks" / path.name)
                )
                assert (mine != theirs).mean() < 1e-3
        shutil.rmtree(tmp_path / "run")
        shutil.rmtree(tmp_path / "export")


@pytest.mark.slow
def test_probabilities_of_windows_are_those_of_the_run(trained, onnx):
    image = np.random.default_rng(0).integers(0, 256, (120, 97), np.uint8)
    for windows in (None, Windows(size=(32, 24)), Windows(tiles=(2, 3))):
        found = []
        for place in (trained, onnx):
            predictor = Predictor.load(place, CPU, windows=windows)
            found.append(predictor.probabilities(picture_of(image, predictor.inputs)))
        np.testing.assert_allclose(*found, atol=1e-5)


@pytest.mark.slow
def test_python_exports_and_loads_and_an_earlier_export_is_replaced(trained, onnx, tmp_path):
    folder = tmp_path / "model"
    first = api.export(trained, "onnx", out=folder)
    again = api.export(trained, "onnx", out=folder, licence="MIT")
    assert first.sidecar == again.sidecar
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", SIDECAR, "model.onnx"]
    with pytest.raises(ConfigError, match=r"holds something else than an export to safetensors"):
        api.export(trained, "safetensors", out=folder)
    with pytest.raises(ConfigError, match=r"is an export; name the run itself$"):
        api.export(folder, "safetensors")
    image = np.zeros((30, 20), np.uint8)
    np.testing.assert_array_equal(api.Predictor.load(again)(image), api.Predictor.load(trained)(image))


@pytest.mark.slow
def test_nothing_in_the_file_tells_of_the_machine(onnx, repository):
    content = (onnx / "model.onnx").read_bytes()
    for trace in (str(repository), "site-packages", ".py", "File "):
        assert trace.encode() not in content


@pytest.fixture
def untrained(compose, tmp_path):
    """A checkpoint of a network with random weights and statistics, its configuration, and an image."""

    def stored(*overrides):
        words = [word for word in TINY if not word.startswith(("model.", "data."))]
        cfg = compose(*words, SIZE, *overrides)
        cfg.paths.outputs = cfg.paths.cache = str(tmp_path)
        data = build_data(cfg)
        data.setup()
        torch.manual_seed(0)
        task = build_task(cfg, data)
        for layer in task.network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.uniform_(-0.2, 0.2)
                # Smaller ones make a deep network's numbers, and with them its rounding, grow from layer to layer.
                layer.running_var.uniform_(1, 3)
        known = {"schema": SCHEMA, "task": task.name, "prediction": describe_prediction(cfg, data, task)}
        torch.save({"state_dict": task.state_dict(), "segbench": known}, tmp_path / "weights.ckpt")
        channels = data.in_channels
        pixels = np.random.default_rng(0).integers(0, 256, (40, 36, channels), np.uint8)
        Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(tmp_path / "image.png")
        return cfg, tmp_path / "weights.ckpt", tmp_path / "image.png"

    return stored


# Choices that are traced as another one is: a part of its graph, or the same with other weights.
AS_OTHERS = {"deeplabv3_imagenet", "fcn16", "fcn32", "runet", "smp_imagenet"}
NETWORKS = sorted({path.stem for path in (Path(__file__).parents[1] / "conf" / "model").glob("*.yaml")} - AS_OTHERS)
# What a choice needs besides its name, to be small.
SMALL = {
    "fcn8": ["model.fully_connected=8"],
    "fcn16": ["model.fully_connected=8"],
    "fcn32": ["model.fully_connected=8"],
    "monai_dynunet": ["model.arguments.filters=[4,8,8,8,8,8]"],
    "monai_swinunetr": ["model.arguments.feature_size=12"],
    "r2unet": ["model.t=1"],
    "r2attunet": ["model.t=1"],
}


@pytest.mark.slow
@pytest.mark.parametrize("to", ["onnx", "torchscript"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_is_exported_or_refused_in_one_line(untrained, compose, tmp_path, name, to):
    chosen = compose(f"model={name}").model
    if name.startswith("smp"):
        pytest.importorskip("segmentation_models_pytorch")
    if name.startswith("mnist"):
        known = {"schema": SCHEMA, "task": "classification"}
        torch.save({"state_dict": {}, "segbench": known}, tmp_path / "weights.ckpt")
        with pytest.raises(ConfigError, match=r"trained for classification; masks are predicted by segmentation netwo"):
            exporting.export(tmp_path / "weights.ckpt", to, out=tmp_path / "out", images=tmp_path)
        return
    overrides = [f"model={name}", "data.subjects=8", "data.slices=2", *SMALL.get(name, ())]
    overrides += ["model.width=2"] if "width" in chosen else []
    overrides += ["model.pretrained=null"] if chosen.get("pretrained") else []
    cfg, weights, image = untrained(*overrides)
    found = exporting.export(weights, to, out=tmp_path / "out", images=image)
    free = name != "monai_swinunetr"
    assert (found.sidecar.graph.height, found.sidecar.graph.batch) == ((None, None) if free else (64, 1))
    for shape in ((1, 1, 40, 36), (2, 1, 70, 36))[: 1 + free]:
        images = np.random.default_rng(1).integers(0, 256, shape).astype(np.float32)
        expected = outputs_of_run(cfg, weights, images)
        np.testing.assert_allclose(outputs_elsewhere(found.folder, images), expected, atol=1e-4, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        (["data=overlapping", "loss=bce_dice"], ("sigmoid", "threshold", 0.5)),
        (
            ["data.regions={heart:[right ventricle,myocardium,left ventricle],muscle:[myocardium]}", "loss=bce_dice"],
            ("sigmoid", "threshold", 0.5),
        ),
        (["data=phantom"], ("softmax", "argmax", None)),
    ],
)
def test_every_task_says_how_logits_become_classes(untrained, tmp_path, settings, rule):
    _, weights, image = untrained("model=unet_cardiac", "model.width=2", *settings)
    found = exporting.export(weights, "onnx", out=tmp_path / "out", images=image)
    decision = found.sidecar.decision
    assert (decision.activation, decision.rule, decision.threshold) == rule
    pixels = np.asarray(Image.open(image))
    logits = outputs_elsewhere(found.folder, pixels.reshape(40, 36, -1).transpose(2, 0, 1)[None].astype(np.float32))
    if rule[1] == "argmax":
        expected = logits.argmax(axis=1)[0]
    else:
        inside = 1 / (1 + np.exp(-logits[0])) > rule[2]
        expected = sum(part.astype(int) << index for index, part in enumerate(inside))
    np.testing.assert_array_equal(Predictor.load(found, CPU)(pixels), expected)


class OneSize(nn.Module):
    """A network with a learned value for each pixel of an image of 40x36."""

    stride = 4

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.layer = nn.Conv2d(in_channels, out_channels, 1)
        self.place = nn.Parameter(torch.rand(1, 1, 40, 36))

    def forward(self, image):
        return self.layer(image) * self.place


@pytest.mark.slow
def test_a_network_for_images_of_one_size_is_exported_for_that(untrained, tmp_path, monkeypatch, caplog):
    from segbench.models import gland

    OneSize.__module__, OneSize.__qualname__ = gland.__name__, "OneSize"
    monkeypatch.setattr(gland, "OneSize", OneSize, raising=False)
    _, weights, image = untrained("model=gland_waist", "~model.batch_norm", f"model._target_={gland.__name__}.OneSize")
    with caplog.at_level("WARNING", "segbench"):
        found = exporting.export(weights, "onnx", out=tmp_path / "out", images=image)
    assert (found.sidecar.graph.batch, found.sidecar.graph.height, found.sidecar.graph.width) == (1, 40, 36)
    (line,) = [record.message for record in caplog.records if record.message.startswith("to=onnx")]
    assert re.match(r"to=onnx: takes 40x36 alone, as ", line)
    pixels = np.asarray(Image.open(image))
    masks = [Predictor.load(place, CPU)(pixels) for place in (weights, found)]
    np.testing.assert_array_equal(*masks)


@pytest.mark.slow
def test_the_program_of_the_page_gets_logits(onnx, repository, monkeypatch):
    monkeypatch.chdir(onnx)
    (block,) = re.findall(r"```python\n(.*?)```", (repository / "docs" / "delivering.md").read_text(), re.DOTALL)
    names: dict = {}
    exec(block, names)
    expected = outputs_elsewhere(onnx, names["image"])
    np.testing.assert_array_equal(names["logits"], expected)
    assert names["logits"].shape == (1, 4, 70, 50)


# -- TorchScript ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torchscript(trained):
    """The run, exported to TorchScript."""
    return exporting.export(trained, "torchscript").folder


@pytest.mark.slow
def test_nothing_in_traced_code_tells_of_the_machine(torchscript, repository):
    content = (torchscript / "model.pt").read_bytes()
    for trace in (str(repository), "site-packages", ".debug_pkl"):
        assert trace.encode() not in content


@pytest.mark.slow
def test_code_is_executed_only_where_that_is_trusted(trained, torchscript):
    image = np.random.default_rng(0).integers(0, 256, (50, 41), np.uint8)
    with pytest.raises(ConfigError, match=r"^run: an export to torchscript is code, not data; trust=true executes it$"):
        Predictor.load(torchscript, CPU)
    windows = Windows(size=(32, 24))
    masks = [Predictor.load(place, CPU, windows=windows, trust=True)(image) for place in (trained, torchscript)]
    np.testing.assert_array_equal(*masks)
    (torchscript / "model.pt").write_bytes(b"no code")
    told = json.loads((torchscript / SIDECAR).read_text())
    (torchscript / SIDECAR).write_text(json.dumps(told | {"sha256": digest(b"no code")}))
    with pytest.raises(CheckpointError, match=r"model.pt is no TorchScript \(.*\)$") as caught:
        Predictor.load(torchscript, CPU, trust=True)
    assert "\n" not in str(caught.value)
