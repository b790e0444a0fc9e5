"""The page as a reader meets it: opened from a file in headless Chromium, without network, wide, narrow and dark."""

import pytest

from segbench.survey.page import write_page

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def address(surveyed, tmp_path_factory):
    return write_page(surveyed, tmp_path_factory.mktemp("page"), "shapes", "python src/run.py data=folder").as_uri()


@pytest.mark.parametrize("width", [1400, 400])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_everything_is_there_and_nothing_sticks_out(browser, address, surveyed, width, colours):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=colours)
    faults, asked = [], []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    assert page.locator("article.finding h3").all_inner_texts() == [finding.title for finding in surveyed.findings]
    broken = page.evaluate("[...document.images].filter(image => !image.complete || !image.naturalWidth).length")
    assert broken == 0
    assert page.evaluate("document.images.length") > 40
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert not faults
    assert [url for url in asked if not url.startswith("data:")] == [address]
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(253, 252, 250)") is (colours == "light")
    page.close()
