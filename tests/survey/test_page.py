"""The page of a survey: one file that points nowhere, findings first, whatever the images are called."""

import re
from importlib.resources import files
from types import SimpleNamespace

import pytest
from tests.survey import planted

from segbench.augmentation import Augmentation, CutMix
from segbench.survey.page import _augments, html_page, write_page

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def page(surveyed):
    return html_page(surveyed, EVIL, f"python src/run.py {EVIL}")


@pytest.mark.slow
def test_it_points_nowhere_and_runs_nothing(page):
    assert "http" not in re.sub(r"data:image/[^\"]*", "", page).replace("http-equiv", "")
    assert set(re.findall(r'src="([^",]{10})', page)) == {"data:image"}
    assert "<script" not in page
    assert "script-src &#39;none&#39;" in page
    assert page.count("alert(1)") >= 2


def test_findings_come_first_and_are_shown(page, surveyed):
    places = [page.index(f"<h3>{finding.title}</h3>") for finding in surveyed.findings]
    assert places == sorted(places)
    assert places[-1] < page.index('id="images"')
    first = page[places[0] : page.index('id="settings"')]
    assert first.count("<img") >= sum(len(finding.shots) for finding in surveyed.findings)
    for name in (*planted.SHIFTED, *planted.SWAPPED, planted.EXPOSED, planted.ABSENT, *planted.COPIES):
        assert name in first


def test_it_has_the_settings_and_the_tables(page, surveyed):
    for proposal in surveyed.proposals:
        assert f"<code>{proposal.override}</code>" in page
    shares = {share.name: share for share in surveyed.shares}
    pixels = shares["train"].pixels
    assert f"{100 * pixels[0] / pixels.sum():.1f} %" in page
    assert "96x96 (43)" in page


@pytest.mark.parametrize(("mix", "crop", "shown"), [(None, None, False), (CutMix(), None, True), (None, (8, 8), True)])
def test_images_are_shown_as_they_are_drawn_where_that_changes_them(mix, crop, shown):
    assert _augments(SimpleNamespace(data=SimpleNamespace(augmentation=Augmentation(mix=mix), crop=crop))) == shown


def test_it_is_small_enough_to_be_sent(page):
    assert len(page) < 4_000_000


def test_a_folder_that_cannot_be_written_is_an_error_of_one_line(surveyed, tmp_path):
    from segbench.errors import StorageError

    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="choose another folder") as error:
        write_page(surveyed, tmp_path / "file" / "out", "shapes", "")
    assert "\n" not in str(error.value)


def test_templates_are_package_data(repository):
    found = {entry.name for entry in (files("segbench.survey") / "templates").iterdir()}
    assert {"survey.html.j2", "survey.css"} <= found
    assert '"segbench.survey" = ["templates/*"]' in (repository / "pyproject.toml").read_text()
