"""Markdown as a reader sees it: rendered by another program."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from segbench.reporting.text.markdown import (
    inside_cell,
    markdown_code,
    markdown_link,
    markdown_list,
    markdown_table,
    markdown_text,
)

TEXTS = [
    "*a* _b_ __c__ **d**", "`x` ``", "[a](http://b) [c][d]", "[a]: http://b", "<script>alert(1)</script> <!-- end x -->",
    "# no heading", "## a", "- no item", "+ 1", "-- x", "> quoted", "===", "1. one", "2026. A year", "12) two", "a | b \\| c",
    "&amp; &#35; a&b", "~~gone~~", "two\nlines\n\n# three", "C:\\dir\\", "\\* \\", "unet_cardiac, _x_y_", "***", "| - |",
    "0.12 [-0.01, 0.02] < 0.001, <0.01", "![a](b.png)", "  padded  ", "---",
]  # fmt: skip


class Rendered(HTMLParser):
    """Elements and text of HTML."""

    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.parts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [str(value) for name, value in attrs if name in ("href", "src")]
        self._open.append(tag)
        self.parts.setdefault(tag, []).append("")

    def handle_endtag(self, tag):
        self._open.pop()

    def handle_data(self, data):
        if self._open:
            self.parts[self._open[-1]][-1] += data


def plain(text):
    return " ".join(text.split())


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_shown_as_it_stands_wherever_it_is_put(text):
    shown, words = markdown_text(text), plain(text)
    found = Rendered(shown)
    assert (found.tags, found.parts["p"]) == (["p"], [words])
    found = Rendered(f"**{shown}.**")
    assert (found.tags, found.parts["strong"]) == (["p", "strong"], [f"{words}."])
    found = Rendered(f"## {shown}")
    assert (found.tags, found.parts["h2"]) == (["h2"], [words])
    found = Rendered(markdown_list([text, "next"]))
    assert (found.tags, found.parts["li"]) == (["ul", "li", "li"], [words, "next"])
    found = Rendered(markdown_table((["a", text], [[text, "b"], ["c", text]])))
    assert found.parts["th"] == ["a", words]
    assert found.parts["td"] == [words, "b", "c", words]


@given(st.text(alphabet="ab1 _*`[]()<>!#-+=|\\~&;:.\n", max_size=12))
def test_any_text_is_shown_as_it_stands(text):
    found = Rendered(f"x\n\n{markdown_text(text)}\n\n- {markdown_text(text)}")
    assert set(found.tags) <= {"p", "ul", "li"}
    assert [part.strip() for part in found.parts["p"][1:]] == ([plain(text)] if plain(text) else [])
    assert found.parts["li"][0].strip() == plain(text)


def test_what_needs_no_escape_has_none():
    for text in ("unet_cardiac by 0.1054 [0.0753, 0.1354] (p < 0.001)", "-0.0016 [no interval]", "a-b, 3.5 #1 x=1 & y"):
        assert markdown_text(text) == text


@pytest.mark.parametrize("command", ["python x", "a `b` c", "`", "``a` b`"])
def test_code_may_hold_backticks(command):
    assert Rendered(markdown_code(command)).parts["code"] == [command]


def test_links_lead_to_any_file():
    found = Rendered(markdown_link("a](b", "my (new) page.md", "top") + " !" + markdown_link("x|y", "a b/c(1).png"))
    assert found.links == ["my%20%28new%29%20page.md#top", "a%20b/c%281%29.png"]
    assert found.parts["a"] == ["a](b"]


def test_foreign_markdown_divides_no_cell():
    assert inside_cell(r"a | b \| c") == r"a \| b \| c"
