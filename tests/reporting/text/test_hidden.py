"""Any text in any file: nothing runs, nothing hides, and independent parsers read the text back."""

import csv
import io
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from segbench.pages import page_environment
from segbench.pictures.canvas import svg_text
from segbench.reporting.text.latex import escape
from segbench.reporting.text.markdown import markdown_code, markdown_text
from segbench.reporting.text.sections import edges, find_parts
from segbench.reporting.text.spreadsheet import csv_cell
from segbench.terminal import say
from segbench.words import visible

# Letters, and what means something somewhere.
EVIL = ("=cmd|' /C calc'!A0", "@SUM(A1)", "+1+1", "-2+3", "\t=1", "\r=1", "<script>alert(1)</script>", "--> <b>x</b>",
        "\n\n# heading", "a | b", "`code`", "](javascript:alert(1))", "\x1b[31mred\x1b]0;title\x07", "\u202egnp.exe", "\ud800",
        "\u2028", "&lt;", "${x}", "[bold]x[/bold]", "[z]", "\\", "$\\input{x}$", "a;=1+1", "\uff1d1")  # fmt: skip
TEXTS = st.lists(st.one_of(st.sampled_from(EVIL), st.text(max_size=8)), max_size=4).map("".join)
ANY = st.one_of(TEXTS, st.text(st.characters(exclude_categories=()), max_size=20))


class Words(HTMLParser):
    """Gathers the text of a page and counts its elements."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.text, self.tags = "", []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


@pytest.mark.slow
@given(ANY)
def test_nothing_is_hidden(text):
    shown = visible(text)
    assert shown.isprintable() or all(
        sign.isprintable() or sign.isspace() or sign in "\xad\u200c\u200d" or ord(sign) > 0x2000 for sign in shown
    )
    assert not set(shown) & set("\x1b\u202e\u2066\u200b\x00\x85\n\t")
    shown.encode()


@pytest.mark.slow
@given(ANY)
def test_a_cell_is_read_back_and_is_no_formula(text):
    cell = csv_cell(text)
    stream = io.StringIO()
    csv.writer(stream).writerow([cell, "next"])
    assert next(csv.reader(io.StringIO(stream.getvalue()))) == [cell, "next"]
    assert cell.replace("'", "") == visible(text).replace("'", "")
    try:
        float(cell)
    except ValueError:
        assert cell.lstrip()[:1] not in set("=+-@\uff1d\uff0b\uff0d\uff20") - {""} or not cell.lstrip()


@pytest.mark.parametrize("number", ["-0.5", "+3", "1e-05", "-1.5e+10", "0", ".5", "-.5"])
def test_numbers_stay_numbers(number):
    assert csv_cell(number) == number


@pytest.mark.slow
@given(ANY)
def test_markdown_shows_the_text_and_no_markup(text):
    # GitHub's tables would part at upright strokes too.
    page = Words(MarkdownIt("commonmark", {"html": True}).enable("table").render(f"before {markdown_text(text)} after"))
    assert page.tags == ["p"]
    assert " ".join(page.text.split()) == " ".join(f"before {visible(text)} after".split())


@given(ANY.filter(lambda text: visible(text).strip()))
def test_code_does_not_end_before_its_text(text):
    page = Words(MarkdownIt("commonmark", {"html": True}).render(f"- Made by: {markdown_code(text)}"))
    assert page.tags == ["ul", "li", "code"]
    assert " ".join(page.text.split()) == " ".join(f"Made by: {visible(text)}".split())


@given(ANY)
def test_a_title_does_not_end_its_comment(text):
    begin, end = edges(" ".join(visible(text).split()))
    assert begin.index("-->") == len(begin) - 3
    page = f"# P\n\n{begin}\nbody\n{end}\n"
    assert [part.body for part in find_parts(page)] == ["body\n"]


@given(ANY)
def test_html_holds_the_text_and_nothing_else(text):
    page = Words(page_environment("segbench.reporting.html").from_string("<p>{{ text }}</p>").render(text=text))
    assert page.tags == ["p"]
    assert page.text == visible(text, lines=True)


@given(ANY)
def test_latex_has_no_command_of_the_text_s(text):
    shown = escape(text)
    shown.encode("utf-8")
    for known in (r"\textbackslash{}", r"\textasciitilde{}", r"\textasciicircum{}", r"\textless{}", r"\textgreater{}",
                  r"\textbar{}", r"$\pm$", *(f"\\{sign}" for sign in "&%$#_{}")):  # fmt: skip
        shown = shown.replace(known, "")
    assert not set(shown) & set("\\$&#%{}~^_\n")


@given(ANY)
def test_the_terminal_shows_the_text(text):
    stream = io.StringIO()
    say(Console(file=stream, width=10_000), text, soft_wrap=True)
    assert stream.getvalue().rstrip() == visible(text, lines=True).replace("\t", "        ").rstrip() or "\t" in text
    assert not set(stream.getvalue()) & set("\x1b\x07\u202e")


@given(ANY)
def test_a_drawing_is_xml(text):
    from xml.sax.saxutils import escape as xml

    ElementTree.fromstring(svg_text(f"<svg><text>{xml(text)}</text></svg>"))
