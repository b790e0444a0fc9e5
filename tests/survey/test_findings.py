"""Faults beyond those of the planted set, each alone in a clean one."""

import cv2
import numpy as np
import pytest
from benchmarks import mnist
from PIL import Image
from tests.survey import planted

from segbench.survey import fit
from segbench.survey.page import html_page


@pytest.fixture
def shapes(tmp_path):
    return planted.draw(tmp_path / "shapes")


def spoil(root, name, kind, change):
    changed = np.ascontiguousarray(change(planted.read(root, name, kind)))
    cv2.imwrite(str(planted.file(root, name, kind)), changed)


def only(survey):
    (finding,) = survey.findings
    return finding


@pytest.mark.slow
def test_a_turned_mask_is_found_with_the_way_back(shapes, look_at):
    spoil(shapes, "train_04", "masks", np.rot90)
    finding = only(look_at(shapes))
    assert finding.kind == "masks turned"
    assert "train_04" in finding.images[0]
    assert "90 degrees to the right" in finding.images[0]


@pytest.mark.slow
def test_a_mirrored_image_is_found(shapes, look_at):
    spoil(shapes, "val_02", "images", np.fliplr)
    finding = only(look_at(shapes))
    assert (finding.kind, "mirrored left to right" in finding.images[0]) == ("masks turned", True)


@pytest.mark.slow
def test_an_image_saved_again_as_jpeg_is_a_near_copy(shapes, look_at):
    kept = planted.file(shapes, "test_05", "images")
    Image.open(planted.file(shapes, "train_05", "images")).save(kept.with_suffix(".jpg"), quality=60)
    kept.unlink()
    planted.file(shapes, "test_05", "masks").write_bytes(planted.file(shapes, "train_05", "masks").read_bytes())
    kinds = {finding.kind: finding for finding in look_at(shapes).findings}
    assert set(kinds) == {"near copies across the split", "one mask for several images"}
    assert "test_05" in kinds["near copies across the split"].images[0]


@pytest.mark.slow
def test_a_mask_not_drawn_and_a_slip_of_the_pen_are_found(shapes, look_at):
    spoil(shapes, "train_09", "masks", np.zeros_like)

    def dot(mask):
        mask[2:4, 2] = 1
        return mask

    spoil(shapes, "train_10", "masks", dot)
    kinds = {finding.kind: finding for finding in look_at(shapes).findings}
    assert set(kinds) == {"empty masks", "specks"}
    assert "train_09" in kinds["empty masks"].images[0]
    assert "train_10" in kinds["specks"].images[0]
    assert kinds["specks"].shots[0].box == (2, 2, 2, 1)


@pytest.mark.slow
def test_a_dark_and_a_flat_image_are_found(shapes, look_at):
    spoil(shapes, "train_12", "images", lambda image: image // 4)
    spoil(shapes, "train_13", "images", lambda image: (110 + 0.1 * (image.astype(float) - 110)).astype(np.uint8))
    finding = only(look_at(shapes))
    said = " ".join(finding.images)
    assert "train_12: darker" in said
    assert "train_13: less contrast" in said


@pytest.mark.slow
def test_groups_on_both_sides_of_a_split_are_named_and_mended(tmp_path, look_at):
    root = tmp_path / "rows"
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True)
    for number in range(40):
        for kind, pixels in zip(("images", "masks"), planted.scene(number), strict=True):
            cv2.imwrite(str(root / kind / f"patient{number // 4}_{number % 4}.png"), pixels)
    leaking = look_at(root, "data.group=*_?", "data.split_by=image")
    assert "groups in several parts" in {finding.kind for finding in leaking.findings}
    assert "data.split_by=group" in {proposal.override for proposal in leaking.proposals}
    assert not look_at(root, "data.group=*_?").findings


@pytest.mark.slow
def test_where_edges_tell_nothing_no_mask_is_called_shifted(shapes, look_at):
    chance = np.random.default_rng(0)
    for part, count in planted.PARTS.items():
        for place in range(count):
            spoil(shapes, f"{part}_{place:02d}", "images", lambda image: chance.integers(60, 180, image.shape))
    survey = look_at(shapes)
    assert not survey.fits.told
    assert not survey.findings


@pytest.mark.slow
def test_overlapping_classes_are_surveyed_too(compose, tmp_path):
    from segbench.survey.look import survey

    cfg = compose("data=overlapping", "loss=bce_dice", f"paths.cache={tmp_path}", "data.regions=null")
    found = survey(cfg, {"data": "overlapping"}, steps=0)
    assert len(found.facts) == sum(len(indices) for indices in found.data.splits.values())
    assert all(share.pixels.any() for share in found.shares)


@pytest.mark.slow
def test_labelled_images_are_surveyed_by_what_applies(compose, tmp_path):
    from segbench.survey.look import survey

    root = tmp_path / "mnist"
    root.mkdir()
    mnist.generate(root, train=200, test=20)
    overrides = ("data=mnist", f"data.root={root}", "data.val_images=40", "model=mnist_cnn", "loss=ce")
    found = survey(compose(*overrides, f"paths.cache={tmp_path}"), {"data": "mnist"}, steps=1)
    assert found.cost is not None
    assert found.cost.steps_per_epoch == 2
    assert found.shares[0].pixels.sum() == 160
    assert not found.fits.told
    assert "<img" in html_page(found, "digits", "")


def test_turns_are_undone_by_turns():
    mask = planted.scene(1)[1]
    for turn in fit.TURNS:
        turned = fit.turned(mask, turn)
        assert any(np.array_equal(fit.turned(turned, back), mask) for back in fit.TURNS)
