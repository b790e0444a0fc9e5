import math
import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from made import made

from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import Evidence, evidence
from segbench.reporting.page import write_report
from segbench.reporting.statistics.decision import Compared
from segbench.reporting.statistics.means import Mean
from segbench.reporting.text.latex import escape, latex_table


def figures(rows: int) -> Evidence:
    means = [Mean(0.8, 0.7, 0.9) if index else Mean(0.8, math.nan, math.nan) for index in range(rows)]
    compared = [Compared(0, row, 0.02, 0.01, 0.03, 0.01, 0.95) for row in range(1, rows)]
    return made(means, compared, "Neither: 50 % & more.")


@pytest.fixture
def comparison(architectures):
    for model, tp in (("unet", 80), ("att_unet&co", 90)):
        for seed in (0, 1):
            architectures(model, seed, tp + seed)
    return compare(collect([architectures.root]))


def test_signs_that_latex_reads_are_escaped():
    assert escape(r"50 % of a_b & {c} \d $e #f ^g ~h") == (
        r"50 \% of a\_b \& \{c\} \textbackslash{}d \$e \#f \textasciicircum{}g \textasciitilde{}h"
    )
    assert escape("two\nlines – <ä>") == r"two lines -- \textless{}ä\textgreater{}"


def test_what_may_be_the_best_is_bold_and_every_line_is_complete(comparison):
    text = latex_table(comparison, figures(2))
    assert r"att\_unet\&co & \textbf{0." in text
    assert text.count(r"\textbf{0.") == 1
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    lines = [line for line in body.splitlines() if line.endswith(r"\\")]
    columns = len(re.search(r"\{tabular\}\{([lr]+)\}", text)[1])
    assert len(lines) == 3
    assert all(len(re.split(r"(?<!\\)&", line)) == columns for line in lines)
    assert r"Is attention worth its weights? Undecided. Neither: 50 \% \& more. Scores: mean over images" in text


def test_intervals_verdicts_and_the_answer_stand_in_it(comparison):
    text = latex_table(comparison, figures(2))
    assert r"50 \% \& more." in text
    assert "{[0.7000, 0.9000]} & not best &" in text
    assert "nan" not in text
    assert " & -- & may be best &" in text  # a row without an interval


@pytest.mark.slow
@pytest.mark.usefixtures("no_figures")
def test_the_report_writes_it(comparison):
    path = comparison.directory / "table.tex"
    assert path in write_report(comparison)
    assert path.read_text() == latex_table(comparison, evidence(comparison))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_sets_it(comparison, tmp_path):
    page = r"\documentclass{article}\usepackage[utf8]{inputenc}\usepackage{booktabs}\begin{document}%s\end{document}"
    (tmp_path / "page.tex").write_text(page % latex_table(comparison, figures(2)))
    done = subprocess.run(["pdflatex", "-halt-on-error", "page.tex"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode()[-1000:]


def test_a_cell_that_begins_with_a_bracket_is_no_option_of_the_line_before(comparison):
    rows = tuple(replace(row, values=("[32, 64]",)) for row in comparison.rows)
    lines = [line.strip() for line in latex_table(replace(comparison, rows=rows), figures(2)).splitlines()]
    assert [line for line in lines if "[32, 64]" in line]
    assert not [line for line in lines if line.startswith("[")]
