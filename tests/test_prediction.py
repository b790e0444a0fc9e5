"""A trained run and files to masks and overlays."""

import errno
import json
import os
import re
import shutil
from contextlib import contextmanager

import nibabel
import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
from PIL import Image

from segbench.assembly import build_data, build_task
from segbench.data.phantom import PhantomData
from segbench.data.pictures import Picture, open_picture
from segbench.data.reading import resize
from segbench.errors import CheckpointError, ConfigError, DataError, StorageError
from segbench.prediction import predict_files, procedure, results
from segbench.prediction_record import describe_prediction
from segbench.predictor import Predictor, choose_device
from segbench.runs.checkpoint_io import file_digest, load_checkpoint
from segbench.runs.directory import SCHEMA
from segbench.runs.files import write_json
from segbench.tasks.windows import Windows

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def trained(run, tiny, tmp_path_factory):
    """A finished run and its data."""
    folder = tmp_path_factory.mktemp("predict")
    cfg = tiny(folder, "model=unet_cardiac", "augmentation=cardiac", "trainer.max_epochs=6")
    run(cfg, folder / "run")
    data = PhantomData(cache_dir=folder, subjects=8, slices=2, size=[32, 32])
    data.setup()
    return folder / "run", data


@pytest.mark.slow
def test_a_picture_of_another_size_gives_the_pixels_that_training_had(trained, tmp_path):
    """Resized by the same function from the same bytes, normalised by the same one."""
    source = np.random.default_rng(0).integers(0, 256, (50, 41), np.uint8)
    Image.fromarray(source).save(tmp_path / "a.png")
    predictor, (_, data) = Predictor.load(trained[0], CPU), trained
    picture = open_picture(tmp_path / "a.png", predictor.inputs)
    stored, _ = resize(source[:, :, None], np.zeros((50, 41), np.uint8), (32, 32))
    expected = data.datasets["test"].normalise(stored)
    found = predictor.normalise(picture.inputs()[0])
    assert torch.equal(found, expected)


@pytest.fixture
def pictures(trained, tmp_path):
    """The run's test images as PNG files."""
    _, data = trained
    folder = tmp_path / "images"
    folder.mkdir()
    for index in data.splits["test"]:
        pixels = np.asarray(data.datasets["test"].arrays.images[index])[:, :, 0]
        Image.fromarray(pixels).save(folder / f"{data.records[index].id.replace('/', '_')}.png")
    return folder


@pytest.mark.slow
def test_masks_are_those_that_the_run_was_scored_by(trained, pictures, tmp_path):
    directory, data = trained
    outcome = predict_files(Predictor.load(directory, CPU), pictures, tmp_path / "out", overlays=True)
    assert len(outcome.masks) == len(data.splits["test"])
    scores = pd.read_parquet(directory / "scores.parquet")
    for index in data.splits["test"]:
        name = data.records[index].id
        mask = np.asarray(Image.open(tmp_path / "out" / "masks" / f"{name.replace('/', '_')}.png"))
        truth = np.asarray(data.datasets["test"].arrays.targets[index])
        row = scores[(scores["id"] == name) & (scores["split"] == "test")].sort_values("class_index")
        for label in range(4):
            assert ((mask == label) & (truth == label)).sum() == row["tp"].iloc[label]
            assert ((mask == label) & (truth != label)).sum() == row["fp"].iloc[label]
        overlay = np.asarray(Image.open(tmp_path / "out" / "overlays" / f"{name.replace('/', '_')}.png"))
        assert overlay.shape == (32, 32, 3)
        grey = np.asarray(Image.open(pictures / f"{name.replace('/', '_')}.png"))
        np.testing.assert_array_equal(overlay[mask == 0], np.repeat(grey[mask == 0][:, None], 3, axis=1))
    classes = json.loads((tmp_path / "out" / "classes.json").read_text())
    assert classes["classes"]["3"] == "left ventricle"
    assert set(classes["colours"]) == {"1", "2", "3"}


def test_images_of_any_size_and_mode_keep_their_size(trained, pictures, tmp_path):
    source = next(pictures.iterdir())
    large = Image.open(source).resize((111, 73), Image.Resampling.BILINEAR)
    large.convert("RGB").save(pictures / "large.jpg", quality=95)
    outcome = predict_files(Predictor.load(trained[0], CPU), pictures / "large.jpg", tmp_path / "out", overlays=False)
    assert Image.open(outcome.masks[0]).size == (111, 73)
    assert not (tmp_path / "out" / "overlays").exists()
    small = predict_files(Predictor.load(trained[0], CPU), source, tmp_path / "small", overlays=False)
    # The same picture, so nearly the same answer.
    back = Image.open(outcome.masks[0]).resize((32, 32), Image.Resampling.NEAREST)
    assert (np.asarray(back) == np.asarray(Image.open(small.masks[0]))).mean() > 0.8


def volume(folder, name, shape=(40, 30, 5), seed=0):
    affine = np.array([[-1.2, 0.1, 0, 10], [0, 1.4, 0, -20], [0, 0, 8, 30], [0, 0, 0, 1.0]])
    voxels = np.random.default_rng(seed).integers(0, 2000, shape).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, affine), folder / name)
    return voxels, affine


def test_volumes_come_out_as_volumes_on_their_own_grid(trained, tmp_path):
    folder = tmp_path / "volumes"
    folder.mkdir()
    voxels, affine = volume(folder, "heart.nii.gz")
    predictor = Predictor.load(trained[0], CPU, batch_size=2)
    outcome = predict_files(predictor, folder, tmp_path / "out", overlays=True)
    written = nibabel.load(outcome.masks[0])
    assert outcome.masks[0].name == "heart.nii.gz"
    np.testing.assert_allclose(written.affine, affine, atol=1e-5)
    np.testing.assert_allclose(written.header.get_zooms(), nibabel.load(folder / "heart.nii.gz").header.get_zooms())
    assert written.shape == voxels.shape
    assert written.get_data_dtype() == np.uint8
    # Each slice is predicted as an image with the same intensities would be.
    low, high = np.percentile(voxels, (1, 99))
    scaled = (np.clip((voxels - low) / (high - low), 0, 1) * 255).astype(np.float32)
    for index in (0, 4):
        pixels = scaled[:, :, index].T[None, :, :, None]
        picture = Picture(folder, pixels, predictor.inputs.plane((30, 40), None))
        expected = predictor.masks(predictor.probabilities(picture))[0].T
        assert (np.asarray(written.dataobj)[:, :, index] == expected).mean() > 0.999
    assert Image.open(tmp_path / "out" / "overlays" / "heart.png").size == (3 * 42, 2 * 32)


def test_bad_files_are_skipped_and_counted(trained, pictures, tmp_path):
    count = len(list(pictures.iterdir()))
    (pictures / "torn.png").write_bytes(next(pictures.glob("*.png")).read_bytes()[:60])
    (pictures / "no.gif").write_text("<html>")
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 2, 3), np.int16), np.eye(4)), pictures / "cine.nii.gz")
    volume(pictures, "part.nii.gz")
    (pictures / "part.nii.gz").write_bytes((pictures / "part.nii.gz").read_bytes()[:400])
    for name in ("case.01_gt.nii.gz", "a_4d.nii", "Info.cfg", ".hidden.png"):
        (pictures / name).write_bytes(b"")
    outcome = predict_files(Predictor.load(trained[0], CPU), pictures, tmp_path / "out", overlays=False)
    assert len(outcome.masks) == count
    # Not the hidden one.
    assert outcome.ignored == 3
    assert len(outcome.skipped) == 4
    for name in ("torn.png", "no.gif", "cine.nii.gz", "part.nii.gz"):
        assert any(name in line for line in outcome.skipped), name
    assert not list((tmp_path / "out" / "masks").glob("torn*"))


def test_what_is_called_an_image_and_is_no_file_is_named(trained, pictures, tmp_path):
    count = len(list(pictures.iterdir()))
    os.mkfifo(pictures / "pipe.png")
    (pictures / "gone.png").symlink_to("nowhere")
    (pictures / "zero.png").symlink_to("/dev/zero")
    (pictures / "folder.png").mkdir()
    outcome = predict_files(Predictor.load(trained[0], CPU), pictures, tmp_path / "out", overlays=False)
    assert len(outcome.masks) == count
    fault = "not a file (a broken link, a pipe or a device)"
    assert outcome.skipped == [f"{pictures / name}: {fault}" for name in ("gone.png", "pipe.png", "zero.png")]


def test_files_of_one_name_get_a_mask_each(trained, pictures, tmp_path):
    source = next(pictures.glob("*.png"))
    Image.open(source).save(pictures / "same.png")
    Image.open(source).save(pictures / "same.bmp")
    outcome = predict_files(Predictor.load(trained[0], CPU), pictures, tmp_path / "out", overlays=False)
    assert {"same.png.png", "same.bmp.png"} <= {path.name for path in outcome.masks}


def test_images_of_every_format_are_predicted_and_others_named(trained, pictures, tmp_path):
    source = Image.open(next(pictures.glob("*.png")))
    folder = tmp_path / "formats"
    folder.mkdir()
    for suffix in (".PNG", ".bmp", ".GIF", ".tif", ".TIFF", ".webp"):
        source.save(folder / f"image{suffix}", lossless=True)
    for name in ("._a.png", ".DS_Store", "Thumbs.db"):
        (folder / name).write_bytes(b"\0\5\x16\7")
    for name in ("photo.heic", "scan.DCM", "notes.txt"):
        (folder / name).write_bytes(b"x")
    outcome = predict_files(Predictor.load(trained[0], CPU), folder, tmp_path / "out", overlays=False)
    # One picture, so one mask, whatever held it.
    assert len({path.read_bytes() for path in outcome.masks}) == 1
    assert len(outcome.masks) == 6
    assert [line.removeprefix(f"{folder}/") for line in outcome.skipped] == [
        "photo.heic: .heic files are not read; convert it to PNG, TIFF or NIfTI",
        "scan.DCM: .dcm files are not read; convert it to PNG, TIFF or NIfTI",
    ]
    # The notes; not the three of the systems.
    assert outcome.ignored == 1


def test_a_file_that_breaks_the_reader_or_the_network_costs_the_others_nothing(
    trained, pictures, tmp_path, monkeypatch
):
    count = len(list(pictures.iterdir()))
    volume(pictures, "empty.nii", shape=(4, 4, 1))
    content = bytearray((pictures / "empty.nii").read_bytes())
    content[44:46] = bytes(2)
    (pictures / "empty.nii").write_bytes(content)
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(pictures / name)
    errors = {"a.png": IndexError("beyond"), "b.png": MemoryError(), "c.png": OSError(errno.EIO, "Input/output error")}
    opened = procedure.open_picture

    def breaking(path, inputs):
        if path.name in errors:
            raise errors[path.name]
        return opened(path, inputs)

    monkeypatch.setattr(procedure, "open_picture", breaking)
    outcome = predict_files(Predictor.load(trained[0], CPU), pictures, tmp_path / "out", overlays=False)
    assert outcome.predicted == count
    assert [line.removeprefix(f"{pictures}/") for line in outcome.skipped] == [
        "a.png: not predicted (IndexError: beyond)",
        "b.png: too large for the memory; window=[512,512] predicts it in parts",
        "c.png: cannot be read (Input/output error)",
        "empty.nii: its header has shape (4, 0, 1); every dimension must be at least 1",
    ]


def test_a_full_disk_is_one_line_and_what_was_predicted_stays(trained, pictures, tmp_path, monkeypatch):
    count, opened, places = len(list(pictures.iterdir())), results.atomic_open, iter(range(2))

    @contextmanager
    def full(path):
        # Threads write, and the next one of an iterator is given to one of them alone.
        if next(places, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        with opened(path) as stream:
            yield stream

    monkeypatch.setattr(results, "atomic_open", full)
    out = tmp_path / "out"
    with pytest.raises(StorageError) as refusal:
        predict_files(Predictor.load(trained[0], CPU), pictures, out, overlays=False)
    said = f"out={out}: cannot be written (No space left on device); 2 files predicted before stay there; free space or"
    assert str(refusal.value) == f"{said} choose another folder"
    assert refusal.value.exit_code == 74
    assert (count > 2, len(list((out / "masks").iterdir()))) == (True, 2)
    assert len((out / "areas.csv").read_text().splitlines()) == 1 + 2 * 3


def test_masks_that_would_overwrite_each_other_are_skipped_with_both_names(trained, pictures, tmp_path):
    source = next(pictures.glob("*.png"))
    for name in ("same.png", "same.bmp", "same.png.bmp"):
        Image.open(source).save(pictures / name)
    outcome = predict_files(Predictor.load(trained[0], CPU), pictures, tmp_path / "out", overlays=False)
    assert outcome.skipped == [f"{pictures}: same.png and same.png.bmp share the mask name same.png.png; rename one"]
    assert "same.bmp.png" in {path.name for path in outcome.masks}


def test_names_of_255_bytes_are_predicted(trained, pictures, tmp_path):
    source = next(pictures.glob("*.png"))
    folder = tmp_path / "long"
    folder.mkdir()
    names = ["x" * 251 + ".png", "y" * 251 + ".bmp", "é" * 125 + ".png", "z" * 251 + ".nii"]
    for name in names[:3]:
        Image.open(source).save(folder / name)
    volume(folder, "v.nii")
    (folder / "v.nii").rename(folder / names[3])
    outcome = predict_files(Predictor.load(trained[0], CPU), folder, tmp_path / "out", overlays=True)
    assert not outcome.skipped
    assert len({path.name for path in outcome.masks}) == 4
    assert len(list((tmp_path / "out" / "overlays").iterdir())) == 4


def test_a_pair_of_header_and_voxels_is_one_volume(trained, tmp_path):
    folder = tmp_path / "pair"
    folder.mkdir()
    voxels, affine = volume(folder, "a.nii.gz")
    (folder / "a.nii.gz").rename(tmp_path / "single.nii.gz")
    nibabel.save(nibabel.Nifti1Pair(voxels, affine), folder / "heart.hdr")
    predictor = Predictor.load(trained[0], CPU)
    (mask,) = predict_files(predictor, folder, tmp_path / "out", overlays=False).masks
    (single,) = predict_files(predictor, tmp_path / "single.nii.gz", tmp_path / "one", overlays=False).masks
    assert mask.name == "heart.nii.gz"
    assert mask.read_bytes() == single.read_bytes()


def test_nothing_to_predict_is_refused(trained, tmp_path):
    predictor = Predictor.load(trained[0], CPU)
    with pytest.raises(DataError, match=r"^images=.*: no images there"):
        predict_files(predictor, tmp_path, tmp_path / "out", overlays=False)
    with pytest.raises(DataError, match=r"^images=.*nowhere: no such file or folder$"):
        predict_files(predictor, tmp_path / "nowhere", tmp_path / "out", overlays=False)
    (tmp_path / "new_photos").mkdir()
    with pytest.raises(DataError, match=r"newphotos: no such file or folder; did you mean .*/new_photos\?$"):
        predict_files(predictor, tmp_path / "newphotos", tmp_path / "out", overlays=False)
    (tmp_path / "bad.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"no file could be predicted:\n.*bad.png: empty file$"):
        predict_files(predictor, tmp_path, tmp_path / "out", overlays=False)


def test_files_that_are_skipped_for_one_reason_are_one_line(trained, tmp_path):
    images = tmp_path / "empty"
    images.mkdir()
    for number in range(9):
        (images / f"{number}.png").touch()
    said = rf"no file could be predicted:\n{images}: 9 files \(0.png, 1.png, 2.png and 6 others\): empty file$"
    with pytest.raises(DataError, match=said):
        predict_files(Predictor.load(trained[0], CPU), images, tmp_path / "out")


def test_runs_without_a_whole_checkpoint_are_refused(trained, tmp_path):
    with pytest.raises(CheckpointError, match=r"^run=.*: no run with a trained network there"):
        Predictor.load(tmp_path, CPU)
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": {}}, path)
    with pytest.raises(CheckpointError, match="it was not written by segbench"):
        Predictor.load(path, CPU)
    directory = tmp_path / "copy" / "checkpoints"
    directory.mkdir(parents=True)
    content = bytearray((trained[0] / "checkpoints" / "best.ckpt").read_bytes())
    content[len(content) // 2] ^= 1
    (directory / "best.ckpt").write_bytes(content)
    (directory / "manifest.json").write_bytes((trained[0] / "checkpoints" / "manifest.json").read_bytes())
    with pytest.raises(CheckpointError, match=r"best.ckpt"):
        Predictor.load(directory.parent, CPU)


def test_devices():
    assert choose_device("cpu") == CPU
    with pytest.raises(ConfigError, match="^accelerator=tpu: choose auto, cpu or gpu$"):
        choose_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="^accelerator=gpu: there is no GPU here"):
            choose_device("gpu")


def test_the_command_predicts_and_tells_what_became_of_the_files(either_program, trained, pictures):
    (pictures / "torn.png").write_bytes(b"torn")
    result = either_program("predict.py", f"run={trained[0]}", f"images={pictures}", "accelerator=cpu")
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip().endswith(f"1 skipped: {trained[0] / 'predictions' / 'images'}")
    assert "skipped: " in result.stderr
    assert list((trained[0] / "predictions" / "images" / "masks").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run=x"], 2, "images: missing"),
        (["image=x", "run=x"], 2, "image=x: no such option; did you mean images?"),
        (["run=x", "run=y", "images=x"], 2, "run=y: run=x is given too; give one run a command"),
        (["run=x", "images=x", "."], 2, ".: write run=<run directory> or images=<folder>, one of each a command"),
        (["run=x", "images=x", "batch_size=none"], 2, "batch_size: "),
        (["run=x", "images=x", "batch_size=0"], 2, "batch_size=0: must be at least 1"),
        (["images=x"], 2, "run: missing"),
        (["run=x", "images=x", "masks=colours"], 2, "masks=colours: choose stored or indices"),
        (["run=x", "images=x", "overlays=some"], 2, "overlays=some: choose auto, true or false"),
        (["run=x", "images=x", "tta=rotations"], 2, "tta=rotations: choose auto, flips or none"),
        (["run=x", "ensemble=y", "images=x"], 2, "ensemble=y: run=x is given too; give one of them"),
        (["run=x", "images=x", "row=model=unet"], 2, "row=model=unet: needs ensemble too"),
        (["run=[]", "images=x"], 2, "run=[]: write one run, or several as run=[<run>,<run>]"),
        (["run=[a", "images=x"], 2, "run=[a: write one run, or several as run=[<run>,<run>]"),
        (["run=/nowhere", "images=x"], 5, "run=/nowhere: no run with a trained network there"),
    ],
)
def test_the_command_refuses_in_one_line(program, arguments, code, message):
    result = program("predict.py", *arguments)
    assert result.returncode == code
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_volume_for_a_network_of_images_is_warned_of_once(trained, tmp_path, caplog):
    folder = tmp_path / "volumes"
    folder.mkdir()
    for name in ("a.nii.gz", "b.nii.gz"):
        volume(folder, name)
    procedure._say_once.cache_clear()
    predict_files(Predictor.load(trained[0], CPU), folder, tmp_path / "out", overlays=False)
    assert caplog.messages == ["volumes: phantom has no voxel size; their slices are resized to 32x32"]


def test_windows_predict_an_image_at_its_own_size(trained, tmp_path):
    source = np.random.default_rng(0).integers(0, 256, (72, 56), np.uint8)
    Image.fromarray(source).save(tmp_path / "large.png")
    windows = Windows(size=(32, 32), overlap=0.5)
    predictor = Predictor.load(trained[0], CPU, windows=windows)
    picture = open_picture(tmp_path / "large.png", predictor.inputs)
    assert [part.shape[:2] for part in picture.inputs()] == [(72, 56)]
    found = predictor.probabilities(picture)
    assert found.shape == (1, 4, 72, 56)
    image = predictor.normalise(picture.inputs()[0])[None]
    whole = Predictor.load(trained[0], CPU).task
    with torch.inference_mode():
        logits = windows.predict(whole, image)
    assert np.allclose(found[0], logits.softmax(dim=1)[0].numpy(), atol=1e-5)
    # One window as large as the image is the image predicted whole.
    single = Predictor.load(trained[0], CPU, windows=Windows(size=(100, 100)))
    with torch.inference_mode():
        assert np.allclose(single.probabilities(picture)[0], whole(image).softmax(dim=1)[0].numpy(), atol=1e-5)


def test_the_command_line_takes_a_window(trained, pictures, tmp_path):
    from segbench.commands.predict import main, parse

    options = parse([f"run={trained[0]}", f"images={pictures}", "window=[16,24]", "overlap=0.25"])
    assert (list(options.window), options.overlap) == ([16, 24], 0.25)
    main([f"run={trained[0]}", f"images={pictures}", f"out={tmp_path}", "window=[16,24]", "overlays=false"])
    assert len(list((tmp_path / "masks").iterdir())) == len(list(pictures.iterdir()))
    for wrong in ("window=[16]", "window=[0,16]", "window=big", "window=512", "window=[a,b]", "window=["):
        with pytest.raises(ConfigError, match=rf"^{re.escape(wrong)}: write height and width"):
            parse([f"run={trained[0]}", f"images={pictures}", wrong])
    for wrong in ("overlap=1", "overlap=-0.1"):
        with pytest.raises(ConfigError, match=rf"^{wrong}.*: must be at least 0 and below 1$"):
            parse([f"run={trained[0]}", f"images={pictures}", "window=[16,24]", wrong])
    with pytest.raises(ConfigError, match=r"^overlap=0.25: needs window too"):
        parse([f"run={trained[0]}", f"images={pictures}", "overlap=0.25"])


@pytest.mark.slow
def test_windows_are_of_the_files_own_size_where_no_size_stands_for_one(compose, tmp_path):
    """data.size=null is 256x512 for street scenes."""
    cfg = compose("data=cityscapes", "model.width=2")
    data = build_data(cfg)
    data.mean, data.std = np.zeros(3), np.ones(3)
    task = build_task(cfg, data)
    known = {"schema": SCHEMA, "prediction": describe_prediction(cfg, data, task)}
    torch.save({"segbench": known, "state_dict": task.state_dict()}, tmp_path / "best.ckpt")
    Image.fromarray(np.zeros((60, 80, 3), np.uint8)).save(tmp_path / "street.png")
    for windows, size in ((None, (256, 512)), (Windows(size=(32, 32)), (60, 80))):
        predictor = Predictor.load(tmp_path / "best.ckpt", CPU, windows=windows)
        assert open_picture(tmp_path / "street.png", predictor.inputs).inputs()[0].shape[:2] == size


@pytest.mark.slow
def test_a_task_without_masks_is_refused_by_its_name(compose, tmp_path):
    cfg = compose("data=mnist", "model=mnist_ff", "loss=ce")
    data = build_data(cfg)
    task = build_task(cfg, data)
    known = {"schema": SCHEMA, "task": task.name, "prediction": describe_prediction(cfg, data, task)}
    torch.save({"segbench": known, "state_dict": {}}, tmp_path / "a")
    with pytest.raises(
        ConfigError, match="trained for classification; masks are predicted by segmentation networks only"
    ):
        Predictor.load(tmp_path / "a", CPU)


def test_a_checkpoint_of_another_layout_is_refused(trained, tmp_path):
    checkpoint = load_checkpoint(trained[0] / "checkpoints" / "best.ckpt")
    assert checkpoint["segbench"]["schema"] == SCHEMA
    checkpoint["segbench"]["schema"] = SCHEMA + 1
    torch.save(checkpoint, tmp_path / "other.ckpt")
    said = (
        f"other.ckpt has schema {SCHEMA + 1}, this version of segbench reads {SCHEMA}; train the run again with rerun="
    )
    with pytest.raises(CheckpointError, match=said):
        Predictor.load(tmp_path / "other.ckpt", CPU)


@pytest.fixture(scope="module")
def several(trained, tmp_path_factory):
    """An experiment of the trained run and one with other weights, of another seed."""
    folder = tmp_path_factory.mktemp("several")
    for seed in (0, 1):
        shutil.copytree(trained[0], folder / f"phantom-unet-seed{seed}")
    other = folder / "phantom-unet-seed1"
    stored = torch.load(other / "checkpoints" / "best.ckpt", weights_only=True)
    torch.manual_seed(1)
    weights = {name: value * (0.7 + 0.6 * torch.rand_like(value)) if value.is_floating_point() else value
               for name, value in stored["state_dict"].items()}  # fmt: skip
    path = other / "checkpoints" / "best.ckpt"
    torch.save(stored | {"state_dict": weights}, path)
    write_json(path.with_name("manifest.json"), {path.name: [file_digest(path)]})
    config = (other / "config.yaml").read_text()
    (other / "config.yaml").write_text(re.sub("^seed: 0", "seed: 1", config, flags=re.MULTILINE))
    (other / "run.json").write_text((other / "run.json").read_text().replace('"seed": 0', '"seed": 1'))
    return folder


def test_the_command_predicts_by_all_runs_of_an_experiment_together(program, several, pictures, tmp_path):
    runs = sorted(several.glob("phantom-*"))
    asked = {
        "all": [f"ensemble={several}", "row=data.subjects=8"],
        "named": [f"run=[{runs[0]},{runs[1]}]"],
        "flips": [f"run={runs[0]}", "tta=flips"],
        "plain": [f"run={runs[0]}"],
    }
    # What a row predicts together lies beside its runs, named for the row.
    places = {name: tmp_path / name for name in asked}
    places["all"] = several / "predictions" / "data.subjects=8" / pictures.name
    found = {}
    for name, options in asked.items():
        out = [] if name == "all" else [f"out={places[name]}"]
        result = program("predict.py", *options, f"images={pictures}", *out, "probabilities=true", "accelerator=cpu")
        assert result.returncode == 0, result.stderr
        found[name] = np.stack([tifffile.imread(path) for path in sorted(places[name].rglob("*.tif"))]) / 65535
        assert ("by 2 runs together" in result.stdout) == (name in ("all", "named"))
        assert "masks: 0 background, 1 right ventricle, 2 myocardium, 3 left ventricle" in result.stdout
    members = [Predictor.load(run, CPU) for run in runs]
    opened = [open_picture(path, members[0].inputs) for path in sorted(pictures.iterdir())]
    each = [np.concatenate([member.probabilities(picture) for picture in opened]) for member in members]
    np.testing.assert_array_equal(found["all"], found["named"])
    np.testing.assert_allclose(found["all"], np.mean(each, axis=0), atol=1e-4)
    np.testing.assert_allclose(found["plain"], each[0], atol=1e-4)
    assert np.abs(found["flips"] - found["plain"]).max() > 1e-3


@pytest.mark.slow
def test_a_run_with_flips_is_the_run_without_scored_otherwise(trained, run, tiny, tmp_path):
    """And predicts new images as it was scored."""
    options = ("model=unet_cardiac", "augmentation=cardiac", "trainer.max_epochs=6", "predict.tta=flips")
    run(tiny(tmp_path, *options), tmp_path / "run")
    plain, flipped = (Predictor.load(path, CPU) for path in (trained[0], tmp_path / "run"))
    for name, weight in plain.task.state_dict().items():
        assert torch.equal(weight, flipped.task.state_dict()[name])
    scores = [pd.read_parquet(path / "scores.parquet") for path in (trained[0], tmp_path / "run")]
    assert not scores[0]["tp"].equals(scores[1]["tp"])
    asked = Predictor.load(trained[0], CPU, tta="flips")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)).save(tmp_path / "a.png")
    picture = open_picture(tmp_path / "a.png", plain.inputs)
    np.testing.assert_array_equal(asked.probabilities(picture), flipped.probabilities(picture))
    unasked = Predictor.load(tmp_path / "run", CPU, tta="none")
    np.testing.assert_array_equal(unasked.probabilities(picture), plain.probabilities(picture))
