"""The page as a reader meets it: opened from a file in headless Chromium, without network."""

from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlparse

import numpy as np
import pytest
from made import made
from PIL import Image

from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.html import html_page
from segbench.reporting.html.overview import OverviewLine, overview_page
from segbench.reporting.statistics.decision import Compared
from segbench.reporting.statistics.means import Mean

pytestmark = [pytest.mark.browser, pytest.mark.slow]
EVIL = "<script>alert(1)</script>"
QUOTES = """a"b'c & <i>d"""


def panels(path, rows):
    """A picture like a run's prediction panels: dark images with white between them."""
    pixels = np.full((rows * 70, 200, 3), 255, np.uint8)
    for row in range(rows):
        pixels[row * 70 + 4 : row * 70 + 10, 2:90] = 0
        pixels[row * 70 + 14 : row * 70 + 64, 2:198] = 40 * row
    Image.fromarray(pixels).save(path)


def evidence(rows):
    means = [Mean(0.7 + 0.01 * row, 0.6, 0.8) for row in range(rows)]
    compared = [Compared(0, row, 0.01 * row, -0.1, 0.2, 0.4, 0.95) for row in range(1, rows)]
    return made(means, compared, f"{EVIL} is {QUOTES}.", caveats=(EVIL,))


@pytest.fixture(scope="module")
def address(shared_architectures):
    """The address of a page whose every name tries to be markup; made once, and only read."""
    architectures = shared_architectures
    architectures.comparison |= {
        "question": EVIL,
        "differences": {"quotes": QUOTES},
        "claims": [{"text": f"claim {EVIL}"}],
    }
    models = [(EVIL, 70), (QUOTES, 90), ("middle" * 8, 80)]
    for index, (model, tp) in enumerate(models):
        for seed in (0, 1):
            folder = architectures(
                model, seed, tp + seed, name=f"<b>run{index}\"'-seed{seed}", cost={"parameters": 10**index}
            )
            panels(folder / "figures" / "predictions.png", 3 - seed)
            (folder / "train.log").write_text(f"</pre>{EVIL}\n" + "w" * 300 + "\n")
    reason = "<img src=x onerror=alert(2)>"
    architectures(EVIL, 2, state="failed", reason=reason, name="<img src=x onerror=alert(3)>")
    comparison = compare(collect([architectures.root]))
    Image.fromarray(np.zeros((30, 900), np.uint8)).save(comparison.directory / "wide.png")
    path = comparison.directory / "index.html"
    Image.fromarray(np.zeros((96, 288), np.uint8)).save(comparison.directory / "panels.png")
    drawn = [(f"wide {QUOTES}", "wide.png"), ("Predictions", "panels.png")]
    path.write_text(html_page(comparison, drawn, evidence(3), f"python `{EVIL}`"))
    return path.as_uri()


@pytest.fixture
def visit(browser, address):
    """Open the page; whatever it asks of the network, prints to the console or throws fails the test at its end."""
    contexts, complaints = [], []

    def opened(width=1400, **options):
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, **options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: complaints.append(request.url) if not known(request.url) else None)
        page.goto(address)
        return page

    def known(url):
        return url == address or url.startswith("data:")

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def column(page, index, table="#scores-table"):
    return page.locator(f"{table} tbody tr:visible > :nth-child({index})").all_inner_texts()


def test_names_are_text_and_nothing_else(visit):
    page = visit()
    assert page.locator("#answer").inner_text() == f"undecided {EVIL} is {QUOTES}."
    assert column(page, 1) == [QUOTES, "middle" * 8, EVIL]
    assert page.locator("script").count() == 1
    assert page.locator("i, b, img[src=x]").count() == 0
    page.locator("#open-runs").click()
    assert "<b>run0\"'-seed0" in page.locator(".run-name").all_inner_texts()
    assert page.locator(".run pre").first.inner_text().startswith(f"</pre>{EVIL}")
    assert "<img src=x onerror=alert(2)>" in page.locator("#unfinished").inner_text()
    assert page.locator("#figures img").first.get_attribute("alt") == f"wide {QUOTES}"


def test_a_click_sorts_and_says_so(visit):
    page = visit()
    pairs = column(page, 4, "#pairs-table")
    assert sorted(pairs) == ["+0.0100", "+0.0200"]
    head = page.locator("#scores-table thead th", has_text="parameters")
    index = page.locator("#scores-table thead th").all_inner_texts().index(head.inner_text()) + 1
    assert page.locator("#scores-table [aria-sort=descending]").inner_text().startswith("dice")
    head.locator("button").click()
    assert column(page, index) == ["1", "10", "100"]
    assert head.get_attribute("aria-sort") == "ascending"
    assert page.locator("#scores-table [aria-sort=ascending], #scores-table [aria-sort=descending]").count() == 1
    head.locator("button").press("Enter")
    assert column(page, index) == ["100", "10", "1"]
    # Only unet, which is not here, has a published figure in this comparison: a column of dashes keeps its order.
    page.locator("#scores-table thead th").first.locator("button").click()
    names = column(page, 1)
    assert sorted(names, key=str.lower) in (names, names[::-1])
    assert column(page, 4, "#pairs-table") == pairs


def test_missing_values_stay_last_in_both_directions(browser, visit):
    page = visit()
    page.evaluate("document.querySelector('#scores-table tbody tr td:nth-child(2)').dataset.key = ''")
    button = page.locator("#scores-table thead th:nth-child(2) button")
    for _ in range(2):
        button.click()
        assert column(page, 1)[2] == QUOTES


def test_filters_keep_what_contains_every_word(visit):
    page = visit()
    find = page.get_by_label("Find a configuration").first
    find.fill("MIDDLE")
    assert column(page, 1) == ["middle" * 8]
    assert page.locator("#scores .count").inner_text() == "1 of 3 configurations"
    find.fill("no such thing")
    assert page.locator("#scores .count").inner_text() == "0 of 3 configurations"
    find.fill("")
    assert len(column(page, 1)) == 3
    page.get_by_label("Find a run").fill("failed seed 2")
    assert page.locator("details.run:visible").count() == 1
    assert page.locator("#run-count").inner_text() == "1 of 7 runs"


def test_groups_of_columns_are_hidden_and_shown(visit):
    page = visit()
    pairs = column(page, 4, "#pairs-table")
    assert sorted(pairs) == ["+0.0100", "+0.0200"]
    head = page.locator("#scores-table thead th", has_text="parameters")
    assert head.is_visible()
    page.get_by_label("cost").uncheck()
    assert not head.is_visible()
    assert page.locator("#scores-table td[data-in=cost]:visible").count() == 0
    assert not page.locator("#scores-table thead th", has_text="iou").is_visible()
    page.get_by_label("other scores").check()
    assert page.locator("#scores-table thead th", has_text="iou").is_visible()


def test_sliders_choose_image_and_run(visit):
    page = visit()
    shown = page.locator(".panel:visible")
    image, run = page.locator("#image"), page.locator("#run")

    def place():
        assert shown.count() == 1
        return shown.get_attribute("data-run"), shown.get_attribute("data-image")

    assert place() == ("0", "0")
    image.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert (place(), page.locator("#image-name").inner_text()) == (("0", "2"), "3 of 3")
    # The second seed shows two images only: its last one stands in.
    run.focus()
    page.keyboard.press("ArrowRight")
    assert (place(), page.locator("#image-name").inner_text()) == (("1", "1"), "2 of 2")
    assert page.locator("#run-name").inner_text() == run.get_attribute("aria-valuetext")
    page.keyboard.press("End")
    assert place() == ("5", "1")
    assert shown.locator("img").evaluate("image => image.complete && image.naturalWidth") == 200


def test_every_configuration_of_a_seed_stands_beside_the_chosen_one(visit):
    page = visit()
    shown = page.locator(".panel:visible")
    page.get_by_label("every configuration").check()
    assert [panel.get_attribute("data-run") for panel in shown.all()] == ["0", "2", "4"]
    page.locator("#run").press("ArrowRight")
    page.locator("#image").press("End")
    places = [(panel.get_attribute("data-run"), panel.get_attribute("data-image")) for panel in shown.all()]
    assert places == [("1", "1"), ("3", "1"), ("5", "1")]
    assert page.locator(".panel.chosen").get_attribute("data-run") == "1"
    page.get_by_label("every configuration").uncheck()
    assert shown.count() == 1
    assert page.locator(".panel.chosen").count() == 0


def test_pictures_of_images_are_shown_larger_than_they_came(visit):
    widths = (
        visit().locator("#figures img").evaluate_all("images => images.map((i) => i.getBoundingClientRect().width)")
    )
    assert widths[0] < 700 < widths[1]


@pytest.mark.parametrize("device", ["light", "dark"])
def test_colours_follow_the_device_and_the_button(visit, device):
    page = visit(color_scheme=device)

    def is_dark():
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, colour.removeprefix("rgb(").rstrip(")").split(","))) < 300

    button = page.locator("#theme")
    assert (is_dark(), button.get_attribute("aria-label")) == (device == "dark", "Colours: as the device")
    button.click()
    assert (is_dark(), button.get_attribute("aria-label")) == (False, "Colours: light")
    button.click()
    assert (is_dark(), button.get_attribute("aria-label")) == (True, "Colours: dark")
    page.reload()
    assert is_dark()
    button.click()
    assert is_dark() == (device == "dark")


@pytest.mark.parametrize("width", [320, 400, 1400])
def test_nothing_is_wider_than_the_window(visit, width):
    page = visit(width)
    page.locator("#open-runs").click()
    page.get_by_label("other scores").check()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator("#scores .scroll")
    assert box.evaluate("box => box.getBoundingClientRect().right") <= width


@pytest.mark.parametrize(("width", "below"), [(400, True), (1400, False)])
def test_sentences_of_the_overview_stand_one_below_the_other_on_a_phone(browser, tmp_path, width, below):
    lines = [
        OverviewLine(f"cardiac/{name * 9}", "a.md", ("better", "Which? " * 9, "This. " * 40)) for name in ("a", "b")
    ]
    (tmp_path / "index.html").write_text(overview_page(lines, lines, "python src/report.py results"))
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto((tmp_path / "index.html").as_uri())
    for table in ("#experiments", "#claims"):
        box = page.locator(f"{table} .scroll")
        assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
        lefts = box.locator("tbody tr").first.evaluate(
            "row => [...row.children].map((cell) => cell.getBoundingClientRect().left)"
        )
        assert (len(set(lefts)) == 1) == below
    page.close()


def test_figures_keep_a_size_that_can_be_read_on_a_phone(visit):
    page = visit(400)
    widths = page.evaluate("[...document.querySelectorAll('.figures img')].map((i) => i.getBoundingClientRect().width)")
    assert widths
    assert min(widths) >= 640
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_without_script_everything_is_there(visit):
    page = visit(java_script_enabled=False)
    assert page.locator(".panel:visible").count() == 15
    assert page.locator("#scores-table thead th", has_text="iou").is_visible()
    assert page.locator(".needs-script:visible").count() == 0


def test_paper_has_no_controls_and_is_white(visit):
    page = visit(color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.locator(".tools:visible, nav:visible, #theme:visible").count() == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("#scores-table").is_visible()
    # The width of a landscape A4 sheet within its margins, in CSS pixels.
    page.set_viewport_size({"width": 1016, "height": 688})
    assert page.evaluate("document.documentElement.scrollWidth") <= 1016


def test_readers_of_the_structure_find_their_way(visit):
    page = visit()
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map((e) => Number(e.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.evaluate("[...document.images].filter((i) => !i.alt || !i.complete || !i.naturalWidth).length") == 0
    assert page.evaluate("[...document.querySelectorAll('input')].filter((i) => !i.labels.length).length") == 0
    assert page.evaluate("[...document.querySelectorAll('th')].filter((h) => !h.scope).length") == 0
    links = page.evaluate("[...document.querySelectorAll('a[href^=\"#\"]')].map((a) => a.hash.slice(1))")
    assert set(links) <= set(ids)


def test_a_script_that_got_past_the_escaping_would_not_run(browser, address, tmp_path):
    evil = "<script>window.evil = 1</script><img src=x onerror='window.evil = 2'><img src='http://192.0.2.1/x.png'>"
    clean = Path(unquote(urlparse(address).path)).read_text()
    (tmp_path / "evil.html").write_text(clean.replace("<main>", f"<main>{evil}"))
    address = (tmp_path / "evil.html").as_uri()
    context = browser.new_context()
    page, answered = context.new_page(), []
    page.on("requestfinished", lambda request: answered.append(request.url))
    page.on("response", lambda response: answered.append(response.url))
    page.goto(address)
    assert page.locator("img[src=x]").count() == 1
    assert page.evaluate("window.evil") is None
    assert {url for url in answered if not url.startswith("data:")} == {address}
    context.close()
