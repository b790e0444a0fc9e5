import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.data.file_names import (
    distinct,
    entries,
    find_named,
    is_clutter,
    is_decodable,
    mask_names,
    name_without_suffix,
)

CLUTTER = [
    "._a.png",
    ".DS_Store",
    ".hidden",
    "Thumbs.db",
    "THUMBS.DB",
    "desktop.ini",
    "Icon\r",
    "__MACOSX",
    ".a.png.12.partial",
]


@pytest.mark.parametrize("name", CLUTTER)
def test_what_systems_leave_behind_is_clutter(name):
    assert is_clutter(Path("folder") / name)


@pytest.mark.parametrize("name", ["a.png", "Icon.png", "thumbs.png", "_a.png", "café.png"])
def test_everything_else_is_not(name):
    assert not is_clutter(Path(".hidden") / name)


def test_entries_are_sorted_and_without_clutter(tmp_path):
    for name in (*CLUTTER, "b.png", "a.png"):
        (tmp_path / name).touch()
    assert [path.name for path in entries(tmp_path)] == ["a.png", "b.png"]


def test_names_that_look_alike_are_escaped_and_others_are_not():
    twins = [unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD")]
    assert distinct(twins) == r"'e\u0301.png' and '\xe9.png'"
    assert distinct(["é.png", "b.png"]) == "b.png and é.png"


def test_a_name_of_another_encoding_is_known():
    assert not is_decodable(Path(os.fsdecode(b"caf\xe9.png")))
    assert is_decodable(Path("café 🚗.png"))


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("suffix", [".nii.gz", ".NII.GZ", ".nii", ".Nii"])
def test_a_file_is_found_in_any_form_of_its_name(tmp_path, form, suffix):
    path = tmp_path / f"{unicodedata.normalize(form, 'café')}{suffix}"
    path.touch()
    (tmp_path / "café_gt.nii.gz").touch()
    (tmp_path / "Café.nii.gz").touch()
    for asked in ("NFC", "NFD"):
        assert find_named(tmp_path, unicodedata.normalize(asked, "café"), (".nii.gz", ".nii")) == [path]


def test_suffixes_of_any_case_are_one_suffix():
    assert name_without_suffix(Path("a.b.NII.GZ")) == "a.b"
    assert name_without_suffix(Path("a.Jpeg")) == "a"
    assert name_without_suffix(Path("a.hdr")) == "a"
    assert name_without_suffix(Path("a.txt")) == "a.txt"


def masks(*names):
    chosen, faults = mask_names([Path("in") / name for name in names])
    return {path.name: mask for path, mask in chosen.items()}, faults


def test_a_mask_is_named_like_its_image_and_by_the_whole_name_where_several_share_it():
    assert masks("a.png", "b.jpg", "c.nii.gz") == ({"a.png": "a", "b.jpg": "b", "c.nii.gz": "c"}, [])
    assert masks("a.png", "a.jpg", "b.png") == ({"a.png": "a.png", "a.jpg": "a.jpg", "b.png": "b"}, [])
    # On a Mac or on Windows these would be one file.
    assert masks("a.png", "A.jpg") == ({"a.png": "a.png", "A.jpg": "A.jpg"}, [])


def test_masks_that_would_overwrite_each_other_are_faults_with_both_names():
    chosen, faults = masks("a.png", "a.jpg", "a.png.bmp", "b.png")
    assert chosen == {"a.jpg": "a.jpg", "b.png": "b"}
    assert faults == ["in: a.png and a.png.bmp share the mask name a.png.png; rename one"]
    twins = [unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD")]
    chosen, (fault,) = masks(*twins)
    assert not chosen
    assert r"'e\u0301.png' and '\xe9.png' share the mask name" in fault


@given(st.lists(st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=80).map(lambda t: t.encode()[:251].decode(errors="ignore") or "x"), unique=True, min_size=1, max_size=6), st.sampled_from([".png", ".nii", ".JPEG"]))  # fmt: skip
def test_every_mask_has_a_name_of_its_own_that_a_file_system_takes(stems, suffix):
    files = [Path(f"{stem.encode()[:250].decode(errors='ignore')}{suffix}") for stem in stems]
    files = list(dict.fromkeys(files))
    chosen, faults = mask_names(files)
    written = [f"{mask}.nii.gz" for mask in chosen.values()]
    assert all(len(name.encode()) <= 255 for name in written)
    assert len({unicodedata.normalize("NFC", name).casefold() for name in written}) == len(written)
    assert set(chosen) | {path for path in files if faults and path not in chosen} == set(files)


def test_long_names_that_share_a_beginning_stay_two():
    stem = "x" * 249
    chosen, faults = masks(f"{stem}1.nii", f"{stem}2.nii")
    assert len(set(chosen.values())) == 2
    assert not faults
    assert all(len(f"{mask}.nii.gz") == 255 for mask in chosen.values())
