"""The overview of results pages as a reader meets it, in headless Chromium."""

import pytest

from segbench.reporting.html import OverviewLine, overview_page

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_the_overview_is_filtered_by_verdict(browser, tmp_path):
    lines = [
        OverviewLine(f"x/{word}", "x.md#x", (word, "Which?", f"It is {word}.")) for word in ("better", "undecided")
    ]
    path = tmp_path / "index.html"
    path.write_text(overview_page(lines, [OverviewLine("A *claim*", "x.md#x", ("holds", "+0.1", "x"))], "make"))
    context = browser.new_context()
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(path.as_uri())
    page.locator("#experiments input[type=search]").fill("undecided")
    assert page.locator("#experiments tbody tr:visible").all_inner_texts() == [
        "x/undecided\tundecided\tWhich?\tIt is undecided."
    ]
    assert page.locator("#experiments .count").inner_text() == "1 of 2 experiments"
    assert page.locator("#claims tbody tr:visible").count() == 1
    assert not errors
    context.close()
