import gzip
import itertools
import shutil

import nibabel
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from tests.examples import examples

from segbench.data.acdc import ACDCData
from segbench.data.acdc_patients import GROUPS
from segbench.errors import ConfigError, DataError

SHAPE = (12, 10, 3)


def write(path, voxels, spacing=(1.5, 1.5, 8.0), affine=None):
    image = nibabel.Nifti1Image(voxels, np.diag([*spacing, 1.0]) if affine is None else affine)
    image.header.set_zooms(spacing[: voxels.ndim] + (1.0,) * (voxels.ndim - 3))
    nibabel.save(image, path)


def write_patient(root, number, group="NOR", part="training", frames=(1, 7), shape=SHAPE, seed=0):
    folder = root / part / f"patient{number:03d}"
    folder.mkdir(parents=True)
    (folder / "Info.cfg").write_text(
        f"ED: {frames[0]}\nES: {frames[1]}\nGroup: {group}\nHeight: 180.0\nNbFrame: 30\nWeight: 80.0"
    )
    generator = np.random.default_rng([seed, number])
    for frame in frames:
        stem = f"{folder.name}_frame{frame:02d}"
        write(folder / f"{stem}.nii.gz", generator.integers(0, 1000, shape).astype(np.int16))
        write(folder / f"{stem}_gt.nii.gz", generator.integers(0, 4, shape).astype(np.uint8))
    return folder


@pytest.fixture
def root(tmp_path):
    numbers = itertools.count(1)
    for group in GROUPS:
        for _ in range(3):
            write_patient(tmp_path, next(numbers), group)
    write_patient(tmp_path, 101, "DCM", "testing")
    return tmp_path


def data(root, **options):
    return ACDCData(cache_dir=root / "cache", root=str(root), **{"size": [8, 8], **options})


def test_a_copy_has_the_same_content_also_in_memory_and_another_label_has_not(root):
    copy = shutil.copytree(root, root / "copy", copy_function=shutil.copyfile)
    found = data(root).digest()
    (copy / "cache").touch()
    in_memory, built = data(copy), ACDCData(cache_dir=root / "other", root=str(copy), size=[8, 8])
    assert in_memory.digest() == built.digest() == found
    label = copy / "training" / "patient001" / "patient001_frame01_gt.nii.gz"
    write(label, 3 - np.asarray(nibabel.load(label).dataobj))
    assert data(copy).digest() != found


def test_slices_are_those_of_the_frames_that_info_cfg_names(root):
    folder = root / "training" / "patient001"
    # Neither the cine, nor another frame, nor a label is an image.
    write(folder / "patient001_4d.nii.gz", np.zeros((*SHAPE, 5), np.int16))
    write(folder / "patient001_frame12.nii.gz", np.zeros(SHAPE, np.int16))
    module = data(root, size=None)
    module.setup()
    ids = [record.id for record in module.records if record.group == "patient001"]
    assert ids == [f"patient001/{phase}/0{index}" for phase in ("ED", "ES") for index in range(3)]
    item = next(i for i in module.datasets["train"] if True)
    record = module.records[module.splits["train"][0]]
    stored = nibabel.load(record.image).get_fdata()
    low, high = np.percentile(stored, (1, 99))
    expected = np.clip((stored[:, :, 0].T - low) / (high - low), 0, 1)
    pixels = item["image"][0].numpy() * module.std[0] + module.mean[0]
    np.testing.assert_allclose(pixels, expected, atol=1e-5)
    labels = np.asarray(nibabel.load(record.mask).dataobj)[:, :, 0].T
    np.testing.assert_array_equal(item["mask"].numpy(), labels)


def test_slices_have_the_same_spacing_and_size_and_padding_counts_nowhere(tmp_path):
    folder = write_patient(tmp_path, 1)
    write_patient(tmp_path, 2)
    for path in folder.glob("*.nii.gz"):
        # A square of 6 mm in the middle of 24 x 24 mm, at 2 mm.
        voxels = np.zeros((12, 12, 2), np.uint8)
        voxels[4:7, 4:7] = 3
        write(path, voxels if "gt" in path.name else voxels * 50.0, (2.0, 2.0, 8.0))
    module = data(tmp_path, size=[32, 32], spacing=1.0, percentiles=[0, 100])
    module.find_records()
    image, mask = module.read(module.find_records()[0][0])
    assert image.shape == (32, 32, 1)
    assert (mask == 255).sum() == 32 * 32 - 24 * 24
    assert (mask == 3).sum() == 6 * 6
    assert set(np.unique(mask)) == {0, 3, 255}
    np.testing.assert_array_equal(mask == 3, image[:, :, 0] > 0.5)


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31 - 1), fraction=st.floats(0.01, 0.99), data_=st.data())
def test_a_patient_never_stands_on_both_sides(seed, fraction, data_, patients_of_any_group):
    module, records = patients_of_any_group
    module.split_seed, module.val_fraction = seed, fraction
    splits = module.split(records)
    sides = {part: {records[index].group for index in chosen} for part, chosen in splits.items()}
    for one, other in itertools.combinations(sides.values(), 2):
        assert not one & other
    assert sorted(itertools.chain(*splits.values())) == list(range(len(records)))
    for group in GROUPS:
        inside = {name for name, patient in module.patients.items() if patient.group == group}
        assert len(inside & sides["val"]) >= 1
        assert len(inside & sides["train"]) >= 1
    assert sides["test"] == {"patient101"}


@pytest.fixture(scope="module")
def patients_of_any_group(tmp_path_factory):
    root = tmp_path_factory.mktemp("acdc")
    numbers = itertools.count(1)
    for group, count in zip(GROUPS, (2, 3, 4, 5, 6), strict=True):
        for _ in range(count):
            write_patient(root, next(numbers), group, shape=(2, 2, 2))
    write_patient(root, 101, "DCM", "testing", shape=(2, 2, 2))
    module = data(root)
    return module, module.find_records()[0]


@pytest.mark.slow
def test_validation_patients_are_balanced_over_the_diagnoses(root):
    module = data(root, val_fraction=0.34)
    module.setup()
    validating = {module.records[index].group for index in module.splits["val"]}
    assert sorted(module.patients[name].group for name in validating) == sorted(GROUPS)
    # The same patients for every run of a comparison, others for another split.
    again, other = data(root, val_fraction=0.34, seed=5), data(root, val_fraction=0.34, split_seed=1)
    again.setup(), other.setup()
    assert again.splits == module.splits
    assert other.splits != module.splits


def test_volumes_come_back_to_their_own_grid(root):
    module = data(root, size=None, spacing=None)
    module.setup()
    for volume in module.volume_slices("test"):
        masks = [module.datasets["test"][position]["mask"].numpy() for position in volume.positions]
        onehot = [np.eye(4, dtype=np.float32)[mask].transpose(2, 0, 1) for mask in masks]
        restored = np.stack([volume.plane.restore(part) for part in onehot]).argmax(axis=1)
        np.testing.assert_array_equal(restored, volume.truth())
        label = module.volumes[volume.id][1].path
        np.testing.assert_array_equal(volume.truth(), np.asarray(nibabel.load(label).dataobj).transpose(2, 1, 0))
    assert [volume.id for volume in module.volume_slices("test")] == ["patient101/ED", "patient101/ES"]


def test_how_large_a_pixel_and_a_voxel_is(tmp_path):
    """In mm, rows first; slices have the spacing that they are resampled to, but for whole numbers of pixels."""
    write_patient(tmp_path, 1)
    for path in write_patient(tmp_path, 2).glob("*.nii.gz"):
        write(path, np.zeros((12, 10, 3), np.uint8), (1.25, 2.0, 8.0))
    for spacing, expected in ((None, (2.0, 1.25)), (1.0, (1.0, 1.0)), (1.5, (20 / 13, 1.5))):
        module = data(tmp_path, spacing=spacing, size=[32, 32])
        records, _ = module.find_records()
        assert module.unit == "mm"
        assert module.pixel_spacing(records[-1]) == pytest.approx(expected)
    module.records, module.splits = records, {"val": [len(records) - 3, len(records) - 2, len(records) - 1]}
    (volume,) = module.volume_slices("val")
    assert volume.spacing == (8.0, 2.0, 1.25)
    assert volume.truth().shape == (3, 10, 12)


def image_of(folder):
    return folder / f"{folder.name}_frame01.nii.gz"


def label_of(folder):
    return folder / f"{folder.name}_frame01_gt.nii.gz"


def truncate(folder):
    content = image_of(folder).read_bytes()
    image_of(folder).write_bytes(content[: len(content) * 2 // 3])


def truncate_inside(folder):
    content = gzip.decompress(image_of(folder).read_bytes())
    image_of(folder).write_bytes(gzip.compress(content[: len(content) // 2]))


def rewrite(path, voxels, **options):
    path.unlink()
    write(path, voxels, **options)


def with_nan(folder):
    voxels = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    voxels[3, 3, 1] = np.nan
    rewrite(image_of(folder), voxels)


def moved(folder):
    affine = np.diag([1.5, 1.5, 8.0, 1.0])
    affine[0, 3] = 4.0
    rewrite(label_of(folder), np.ones(SHAPE, np.uint8), affine=affine)


BAD = {
    "truncated": (truncate, r"patient002_frame01.nii.gz: damaged|patient002_frame01.nii.gz: not a NIfTI volume"),
    "cut short inside": (truncate_inside, r"patient002_frame01.nii.gz: damaged \("),
    "not NIfTI": (lambda f: image_of(f).write_bytes(b"no volume at all"), r"frame01.nii.gz: not a NIfTI volume \("),
    "empty": (lambda f: image_of(f).write_bytes(b""), r"patient002_frame01.nii.gz: empty file"),
    "shape": (lambda f: rewrite(label_of(f), np.ones((12, 9, 3), np.uint8)), r"_gt.nii.gz: shape \(12, 9, 3\), but its image has \(12, 10, 3\)"),
    "affine": (moved, r"_gt.nii.gz: its affine puts it up to 4 mm away from its image"),
    "4-D": (lambda f: rewrite(image_of(f), np.ones((*SHAPE, 2), np.int16)), r"frame01.nii.gz: 4-D volume \(12, 10, 3, 2\)"),
    "NaN": (with_nan, r"frame01.nii.gz: 1 voxels are not finite"),
    "constant": (lambda f: rewrite(image_of(f), np.full(SHAPE, 7, np.int16)), r"frame01.nii.gz: constant intensity"),
    "no Info.cfg": (lambda f: (f / "Info.cfg").unlink(), r"patient002.Info.cfg: missing; it says which frames are ED and ES"),
    "Info.cfg without ES": (lambda f: (f / "Info.cfg").write_text("ED: 1\nGroup: NOR"), r"Info.cfg: expected the lines ED, ES .* \('ES'\)"),
    "Info.cfg of no text": (lambda f: (f / "Info.cfg").write_bytes(b"\xff\xfe\x00"), r"Info.cfg: expected the lines ED, ES"),
    "unknown diagnosis": (lambda f: (f / "Info.cfg").write_text("ED: 1\nES: 7\nGroup: FLU"), r"Info.cfg: Group is FLU; expected one of DCM"),
    "no label": (lambda f: label_of(f).unlink(), r"patient002_frame01_gt.nii.gz: missing; the label of the ED frame"),
    "no image": (lambda f: image_of(f).unlink(), r"patient002_frame01.nii.gz: missing; the image of the ED frame"),
    "other labels": (lambda f: rewrite(label_of(f), np.full(SHAPE, 9, np.uint8)), r"_gt.nii.gz: labels outside the classes: 9 \(360 pixels\)"),
    "fractional labels": (lambda f: rewrite(label_of(f), np.full(SHAPE, 0.5, np.float32)), r"_gt.nii.gz: labels are not integers"),
    "colours": (lambda f: rewrite(image_of(f), np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])), r"frame01.nii.gz: voxels of type .*; expected one number per voxel"),
    "no voxel size": (lambda f: rewrite(image_of(f), np.ones(SHAPE, np.int16), spacing=(1.5, float("inf"), 8.0), affine=np.eye(4)), r"frame01.nii.gz: voxel size"),
}  # fmt: skip


# CI tries all.
EVERY_DAY = ("truncated", "shape", "affine", "NaN", "no Info.cfg", "no label")


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", [pytest.param(fault, marks=() if fault in EVERY_DAY else pytest.mark.slow) for fault in BAD]
)
def test_bad_files_are_all_listed(root, fault):
    spoil, message = BAD[fault]
    spoil(root / "training" / "patient002")
    # A second fault elsewhere, of the same kind, is told at the same time.
    spoil(root / "training" / "patient005")
    with pytest.raises(DataError, match=message) as refused:
        data(root).setup()
    assert "patient005" in str(refused.value)


def test_a_patient_in_training_and_testing_is_refused(root):
    write_patient(root, 3, part="testing")
    with pytest.raises(DataError, match="patient003: patient003 is in both training and testing"):
        data(root).setup()


def test_an_empty_or_missing_root_says_what_is_expected(tmp_path):
    with pytest.raises(DataError, match=r"no patients found; expected training/patientNNN"):
        data(tmp_path).setup()
    with pytest.raises(DataError, match=r"no such folder \(set SEGBENCH_DATA\)"):
        data(tmp_path / "nowhere").setup()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"split_by": "image"}, "^data.split_by=image: acdc is split by patient"),
        ({"spacing": 0.0}, "^data.spacing=0.0: must be a positive number"),
        ({"spacing": float("nan")}, "^data.spacing=nan: must be a positive number"),
        ({"percentiles": [99, 1]}, r"^data.percentiles=\[99, 1\]: must be two ascending numbers"),
        ({"percentiles": [1]}, "^data.percentiles"),
        ({"val_fraction": 1.0}, "^data.val_fraction=1.0: must be between 0 and 1"),
    ],
)
def test_impossible_options_are_refused(tmp_path, option, message):
    with pytest.raises(ConfigError, match=message):
        data(tmp_path, **option)


def test_fit_on_train_and_val_moves_the_validation_patients_into_training(root):
    plain, final = data(root), data(root, fit_on="train+val")
    plain.setup(), final.setup()
    assert final.splits["train"] == sorted(plain.splits["train"] + plain.splits["val"])
    assert list(final.eval_dataloaders()) == ["test"]
    assert final.val_dataloader() == []
    assert final.splits["test"] == plain.splits["test"]
    assert torch.is_tensor(next(iter(final.eval_dataloaders()["test"]))["image"])
    with pytest.raises(ConfigError, match="^data.fit_on=all: choose train or train.val$"):
        data(root, fit_on="all")


def test_a_bad_volume_is_one_fault_whatever_its_slices(tmp_path):
    for number, group in enumerate(GROUPS * 2, start=1):
        write_patient(tmp_path, number, group, shape=(4, 4, 15))
    for number in (1, 2, 3):
        folder = tmp_path / "training" / f"patient{number:03d}"
        rewrite(image_of(folder), np.full((4, 4, 15), 7, np.int16))
    with pytest.raises(DataError, match="3 files cannot be used") as refused:
        data(tmp_path).setup()
    assert "patient003" in str(refused.value)


def test_a_diagnosis_of_one_patient_is_named(root):
    info = root / "training" / "patient004" / "Info.cfg"
    for number in (4, 5):
        path = root / "training" / f"patient{number:03d}" / "Info.cfg"
        path.write_text(path.read_text().replace("HCM", "DCM"))
    with pytest.raises(DataError, match="patient006 is the only training patient with diagnosis HCM") as refused:
        data(root).setup()
    assert "split_by" not in str(refused.value)
    assert info.exists()


def test_another_diagnosis_is_another_data_set(root):
    before = data(root).find()
    path = root / "training" / "patient001" / "Info.cfg"
    path.write_text(path.read_text().replace("DCM", "RV"))
    assert data(root).find() != before


def test_labels_outside_the_crop_are_warned_of(tmp_path, caplog):
    for number, group in enumerate(GROUPS * 2, start=1):
        write_patient(tmp_path, number, group)
    data(tmp_path, size=None).setup()
    assert not caplog.messages
    data(tmp_path, size=[12, 4]).setup()
    (line,) = caplog.messages
    # Slices are 12 wide and 10 high: of 10 x 12 pixels, 10 x 4 are left.
    assert line == "data.size=[12, 4]: 67 % of the labelled pixels lie outside the crop"
