"""What the sections of a page say in the same words stands there once."""

import pytest

from segbench.reporting.text.once import naming, with_notes
from segbench.reporting.text.sections import edges

BOTH, ONE = "Values are mean ± deviation.", "Macro: each class <b>against</b> the rest."


def section(name, notes):
    begin, end = edges(name)
    return f"{begin}\n## {name}\n\nIts table.\n{naming(notes)}{end}\n"


def test_a_note_is_there_once_and_as_long_as_a_section_means_it():
    page = with_notes("# Results\n\n" + section("a", [BOTH, ONE]), [BOTH, ONE])
    page += "\nWritten by hand.\n"
    assert with_notes(page, [BOTH, ONE]) == page
    added = with_notes(f"{page.rstrip()}\n\n{section('b', [BOTH])}", [BOTH])
    assert [added.count(words) for words in (BOTH, "Macro: each class", "Written by hand.", "## How to read")] == [
        1
    ] * 4
    # At the end, in the order in which they came.
    assert added.index("<!-- end b -->") < added.index(BOTH) < added.index("Macro:")
    assert "\\<b>" in added
    without = added.replace(section("a", [BOTH, ONE]), section("a", [BOTH]))
    assert "Macro:" not in with_notes(without, [BOTH])
    none = with_notes(f"{section('a', [])}\n{section('b', [])}", [])
    assert "How to read" not in none


@pytest.mark.parametrize("damaged", ["<!-- reading -->\n- a\n", "<!-- reading ends -->\n", "<!-- read by x -->\n"])
def test_damage_costs_the_notes_of_before_only(damaged):
    assert BOTH in with_notes(f"{damaged}{section('a', [BOTH])}", [BOTH])
