"""A folder of results pages: each made again where its runs are, and one overview of all experiments and claims."""

from __future__ import annotations

import re
import shlex
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from segbench.errors import ConfigError, SegbenchError
from segbench.installation import typed
from segbench.reporting.collection.folders import place
from segbench.reporting.html import OverviewLine, overview_page
from segbench.reporting.text.markdown import inside_cell, markdown_code, markdown_link, shown_text
from segbench.reporting.text.sections import Part, find_parts
from segbench.runs.bounded import LISTS, read_text
from segbench.runs.files import write_text

OVERVIEW, PAGE = "README.md", "index.html"
_REPORTED = "- Reported by: "
OLDER = "An answer without a verdict was given before there were verdicts; its runs were not here since."
LONGEST_COMMAND = 2**14
_COMMAND = re.compile(r"(?P<fence>`+) ?(?:python src/report\.py|segbench report) (?P<arguments>.+?) ?(?P=fence)")
_FINISHED = re.compile(r"\| (\d+) of (\d+) \|")
# A page of before the verdicts has the whole sentence in bold.
_ANSWER = re.compile(r"\*\*(?P<verdict>Better|Alike|Undecided)\.\*\* (?P<answer>.*)|\*\*(?P<former>[^*]+)\*\*")
_CLAIMS = re.compile(r"^\| claim \| verdict \|.*?\n\|[-| :]+\|\n(?P<rows>(?:\|.*\n?)+)", re.MULTILINE)


@dataclass(frozen=True)
class Section:
    """One experiment on a results page.

    Attributes:
        page: The page.
        title: The experiment.
        question: What it asks, Markdown.
        verdict: ``better``, ``alike`` or ``undecided``; empty if the section is older than verdicts or was edited by
            hand.
        answer: What its runs say, in one sentence of Markdown; empty if the section was edited by hand.
        claims: The report's words, the verdict and what was measured, for each claim, Markdown.
        arguments: Of the command that made the section; empty where it does not say.
        finished: How many runs are finished, and of how many.
    """

    page: Path
    title: str
    question: str
    verdict: str
    answer: str
    claims: tuple[tuple[str, ...], ...]
    arguments: tuple[str, ...]
    finished: tuple[int, int]


def has_pages(folder: Path) -> bool:
    """Say whether a folder holds results pages; one that cannot be read is none."""
    return folder.is_dir() and bool(_all_sections(folder)[0])


def sections(page: Path) -> list[Section]:
    """Return the experiments of a results page.

    Raises:
        ConfigError: If it cannot be read.
    """
    try:
        text = read_text(page, largest=LISTS)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{page}: cannot be read: {error}") from error
    return [_section(page, part) for part in find_parts(text)]


def rebuild(
    folder: Path,
    parse: Callable[[Sequence[str]], Namespace],
    report: Callable[[Namespace, Sequence[str]], int],
    say: Callable[[str], None],
) -> int:
    """Make every section of a folder's pages again and write the overview.

    A section whose runs are not here stays as it is, and that is said; so does a page that cannot be read. Anybody may
    have written a page, so its commands make nothing but the page itself again.

    Args:
        folder: The folder of the pages.
        parse: From the arguments of ``report.py`` to its options; raises ``ConfigError`` for those it does not know.
        report: Reports by options, and by the arguments that they were; returns the exit code.
        say: Takes one line of news.

    Returns:
        The worst exit code of the reports; not 0 either where a page cannot be read.
    """
    found, unread = _all_sections(folder)
    for error in unread.values():
        say(str(error))
    worst = max((error.exit_code for error in unread.values()), default=0)
    for arguments, page in dict.fromkeys((section.arguments, section.page) for section in found):
        try:
            if not arguments:
                raise _StaysError("it does not say how it was made")
            worst = max(worst, report(_allowed(parse(arguments), page), arguments))
        except _StaysError as reason:
            say(f"{page}: a section stays as it is: {reason}")
        except SegbenchError as error:
            say(f"{page}: a section stays as it is: {error}")
            worst = max(worst, error.exit_code)
    write_text(folder / OVERVIEW, overview(folder))
    write_text(folder / PAGE, _page(folder))
    say(f"Written: {folder / OVERVIEW}, {folder / PAGE}")
    return worst


class _StaysError(Exception):
    """Why a section is not made again."""


def _allowed(options: Namespace, page: Path) -> Namespace:
    """Return a command's options if it makes its own page again, of runs that are here.

    Raises:
        ConfigError: If it would do anything else.
    """
    elsewhere = options.plan or options.across or options.out is not None
    if elsewhere or options.page is None or place(options.page) != place(page):
        raise ConfigError("its command would write something else than this page; give that command yourself")
    if pages := [path for path in options.directories if has_pages(path)]:
        raise ConfigError(f"{pages[0]} is a folder of results pages, not of runs")
    if missing := [path for path in options.directories if not path.is_dir()]:
        raise _StaysError(f"{missing[0]} is not here")
    return options


def overview(folder: Path) -> str:
    """Return the overview of a folder's pages as Markdown: every experiment with its answer, every claim."""
    found, unread = _all_sections(folder)
    command = markdown_code(_command(folder))
    lines = ["# Results", "", f"Every experiment with its answer; made by {command}."]
    lines += [f"{markdown_link(PAGE, PAGE)}, opened in a browser, has the same tables with a filter."]
    lines += ["", "| experiment | verdict | question | answer |", "| --- | --- | --- | --- |"]
    lines += [_line(_name(one), one.verdict or "–", one.question, one.answer or "–") for one in found]
    lines += ["", OLDER] if _some_older(found) else []
    if unread:
        names = ", ".join(markdown_code(page.name) for page in unread)
        lines += ["", f"Cannot be read, so its experiments are missing here: {names}."]
    claimed = [(section, claim) for section in found for claim in section.claims]
    if claimed:
        lines += ["", "## Claims of the reports", ""]
        lines += ["| claim | verdict | measured | experiment |", "| --- | --- | --- | --- |"]
        lines += [_line(*claim, _link(section)) for section, claim in claimed]
    return "\n".join(lines) + "\n"


def _page(folder: Path) -> str:
    """Return the overview as a page that is filtered."""
    found, _ = _all_sections(folder)
    experiments = [
        OverviewLine(
            one.title + _unfinished(one), _target(one), (one.verdict, shown_text(one.question), shown_text(one.answer))
        )
        for one in found
    ]
    claims = [
        OverviewLine(shown_text(text), _target(one), (*map(shown_text, cells), one.title))
        for one in found
        for text, *cells in one.claims
    ]
    return overview_page(experiments, claims, _command(folder), OLDER if _some_older(found) else "")


def _some_older(found: Sequence[Section]) -> bool:
    return any(one.answer and not one.verdict for one in found)


def _command(folder: Path) -> str:
    return f"{typed('report')} {shlex.quote(folder.name)}"


def _all_sections(folder: Path) -> tuple[list[Section], dict[Path, ConfigError]]:
    """Return the sections of all pages, and the pages that cannot be read with the reason."""
    found: list[Section] = []
    unread: dict[Path, ConfigError] = {}
    for page in _pages(folder):
        try:
            found += sections(page)
        except ConfigError as error:
            unread[page] = error
    return found, unread


def _pages(folder: Path) -> list[Path]:
    return sorted(page for page in folder.glob("*.md") if page.name != OVERVIEW)


def _section(page: Path, part: Part) -> Section:
    title, body = part.title, part.body
    paragraphs = [part.strip() for part in body.split("\n\n")]
    # A heading, the question, the verdict in bold with the answer, the table.
    words = [part for part in paragraphs if part and not part.startswith(("#", "|", "-", "!"))]
    answers = [found for part in words if (found := _ANSWER.fullmatch(part))]
    questions = [part for part in words if not part.startswith("**")]
    claims = _CLAIMS.search(body)
    rows = claims.group("rows").splitlines() if claims else []
    return Section(
        page,
        title,
        questions[0] if questions and questions[0].endswith("?") else "",
        (answers[0]["verdict"] or "").lower() if answers else "",
        answers[0]["answer"] or answers[0]["former"] or "" if answers else "",
        tuple(tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip())[1:-1]) for row in rows),
        _arguments(body),
        _finished(body),
    )


def _finished(body: str) -> tuple[int, int]:
    """Return how many runs the rows of the score table, the first one, say to be finished, and of how many."""
    table = body[body.find("\n|") :].lstrip("\n").partition("\n\n")[0]
    counts = [tuple(map(int, pair)) for pair in _FINISHED.findall(table)]
    return sum(done for done, _ in counts), sum(of for _, of in counts)


def _arguments(body: str) -> tuple[str, ...]:
    """Return the arguments of the command that made a section; empty where it does not say."""
    lines = [line.removeprefix(_REPORTED) for line in body.splitlines() if line.startswith(_REPORTED)]
    command = _COMMAND.fullmatch(lines[0]) if lines and len(lines[0]) <= LONGEST_COMMAND else None
    try:
        return tuple(shlex.split(command["arguments"])) if command else ()
    except ValueError:
        return ()


def _name(section: Section) -> str:
    """Return the link to an experiment, and how many of its runs are finished where some are not."""
    return _link(section) + _unfinished(section)


def _unfinished(section: Section) -> str:
    done, of = section.finished
    return f" ({done} of {of} runs)" if done < of else ""


def _link(section: Section) -> str:
    return markdown_link(section.title, section.page.name, _anchor(section))


def _target(section: Section) -> str:
    return f"{quote(section.page.name, errors='replace')}#{_anchor(section)}"


def _anchor(section: Section) -> str:
    # GitHub's: lower case, without punctuation.
    return re.sub(r"[^\w\- ]", "", section.title.lower()).replace(" ", "-")


def _line(*cells: str) -> str:
    """Return a line of a table; a page that was written by hand may hold anything."""
    return f"| {' | '.join(map(inside_cell, cells))} |"
