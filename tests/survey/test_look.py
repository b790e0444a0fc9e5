"""Faults planted in a set are found, all of them and nothing else, and a clean set is called clean."""

import pytest
from tests.survey import planted


@pytest.fixture(scope="module")
def found(surveyed):
    return {finding.kind: finding for finding in surveyed.findings}


def names(finding):
    """The files that a finding names, without folders and what it says of them."""
    return " ".join(finding.images)


def test_a_clean_set_is_called_clean(look_at, clean):
    survey = look_at(clean)
    assert survey.fits.told, survey.fits.why
    assert [finding.title for finding in survey.findings] == []


def test_nothing_but_the_planted_faults_is_found(found):
    assert set(found) == {
        "class missing from training", "duplicates across the split", "masks swapped", "masks shifted", "exposure",
    }  # fmt: skip


def test_duplicates_across_the_split_are_named_with_their_originals(found):
    finding = found["duplicates across the split"]
    assert len(finding.images) == 3
    for copy, original in planted.COPIES.items():
        (line,) = (line for line in finding.images if copy in line)
        assert original in line


def test_shifted_masks_are_found_with_the_way_back(found, surveyed):
    back = {misfit.image: misfit.shift for misfit in surveyed.fits.misfits if misfit.kind == "shifted"}
    ids = {surveyed.data.records[index].id.rpartition("/")[2]: shift for index, shift in back.items()}
    assert set(ids) == set(planted.SHIFTED)
    for rows, columns in ids.values():
        assert abs(rows + planted.OFFSET[0]) <= 1
        assert abs(columns + planted.OFFSET[1]) <= 1
    assert "px up and" in names(found["masks shifted"])


def test_the_swapped_pair_is_one_finding(found):
    (line,) = found["masks swapped"].images
    assert all(name in line for name in planted.SWAPPED)


def test_a_class_that_only_a_test_image_has_is_named(found):
    finding = found["class missing from training"]
    assert len(finding.images) == 1
    assert planted.ABSENT in names(finding)
    assert "test" in finding.why


def test_the_wrong_exposure_is_found(found):
    (line,) = found["exposure"].images
    assert planted.EXPOSED in line
    assert "brighter" in line
