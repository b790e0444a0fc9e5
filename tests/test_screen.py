"""What a user sees on a terminal of 80 columns."""

import os
import re
import sys

import pytest
from tests.conftest import TINY

pytest.importorskip("pyte")
pytestmark = pytest.mark.slow
# Of a message of Lightning's, torch's or Python's.
FOREIGN = re.compile(r"lightning|\bGPU\b|\bTPU\b|\btip\b|warning|/site-packages/|LOCAL_RANK", re.IGNORECASE)


@pytest.fixture
def typed(repository, tmp_path):
    from tests.screen import watch

    def run(*overrides, **options):
        settings = [setting for setting in TINY if not setting.startswith("trainer.progress")]
        command = [sys.executable, str(repository / "src" / "run.py"), *settings, f"paths.outputs={tmp_path}/outputs"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return watch([*command, *overrides], environment, **options)

    return run


def words(lines):
    return [line for line in lines if line and not set(line) & set("│┃━─")]


def test_a_run_has_one_line_an_epoch_and_a_bar_that_counts_alike(typed):
    code, seen, left = typed("trainer.max_epochs=4", "data.subjects=40")
    assert code == 0
    epochs = [line for line in words(left) if line.startswith("epoch")]
    assert [line.split()[1] for line in epochs] == ["1/4", "2/4", "3/4", "4/4"]
    assert all(re.search(r"  loss \d\.\d{4}, val \d\.\d{4}, dice \d\.\d{4}  .* left$", line) for line in epochs)
    bars = [line for lines in seen for line in lines if line.startswith("epoch") and "━" in line]
    assert {line.split()[1] for line in bars} <= {"1/4", "2/4", "3/4", "4/4"}
    assert bars
    # No bar is left, and nothing but ours is said.
    assert not [line for line in left if line.startswith("epoch") and "━" in line]
    assert not [line for line in left if FOREIGN.search(line)]
    assert "picture there: figures/predictions.png" in left or not [line for line in left if "picture" in line]


def test_a_sweep_is_one_table_and_ctrl_c_says_how_much_is_done(typed):
    # So many epochs that each job is seen at some, however seldom the table is drawn.
    asked = ("-m", "seed=0,1,2", "trainer.max_epochs=60")
    code, seen, left = typed(*asked, until=lambda lines: any("1 of 3 jobs done, 1 running" in line for line in lines))
    assert code == 130
    assert words(left)[-1] == "stopped: 1 of 3 done; the same command goes on"
    assert any("0 of 3 jobs done, 1 running" in line for lines in seen for line in lines)
    assert any(re.search(r"^#\d phantom-unet-.*  epoch \d+/60  loss", line) for lines in seen for line in lines)
    assert len(words(left)) < 8

    code, seen, left = typed(*asked)
    assert code == 0
    said = words(left)
    assert "sweep: 3 done (1 skipped), 0 failed" in said
    # No line of a job is left.
    assert not [line for line in said if re.match(r"#\d|epoch \d|\d of \d jobs", line)]
    assert not [line for line in left if FOREIGN.search(line)]
    # A long path has a line of its own.
    assert any(re.match(r"Written:( |$)", line) for line in said)
