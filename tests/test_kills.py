"""Commands killed at counted moments and started again: a dozen of those that ``make campaign`` tries."""

import pytest
from campaign import given, kills, program
from campaign.catalogue import load

from segbench.tasks import Task

SAMPLE = [
    "kills/plateau-accumulated/twice",
    "kills/cyclic/rename-55",
    "kills/early-stopping/write-95",
    "kills/curriculum/write-45",
    "kills/seldom/step-70",
    "kills/workers/step-70",
    "kills/numpy/write-75",
    "kills/photographs/write-15",
    "killed/rescoring-late",
    "killed/report-late",
    "killed/tuning-late",
]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """Make what a case begins with, and what its command ends with when nothing stops it."""
    program.preload()
    folder, cases = tmp_path_factory.mktemp("given"), {case.id: case for case in load()}

    def made(name):
        case = cases[name]
        given.prepare(case.given, folder)
        kills.prepare([case], folder)
        return case, folder

    return made


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLE)
def test_what_is_killed_ends_as_if_it_had_not_been(prepared, tmp_path, name):
    case, folder = prepared(name)
    outcome = kills.tried(case, folder, tmp_path / "here")
    assert (outcome.verdict, outcome.detail) == ("promised", "")


def _as_lightning_does(monkeypatch):
    monkeypatch.setattr(Task, "on_train_epoch_end", lambda task: None)
    monkeypatch.delattr(Task, "lr_scheduler_step")


def _forgotten(monkeypatch):
    from segbench.augmentation.stages import CurriculumStages

    monkeypatch.setattr(CurriculumStages, "load_state_dict", lambda *_: None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "fault"),
    [("kills/plateau/twice", _as_lightning_does), ("kills/curriculum/write-75", _forgotten)],
)
def test_the_comparison_notices_what_a_resume_forgets(prepared, tmp_path, monkeypatch, name, fault):
    case, folder = prepared(name)
    fault(monkeypatch)
    outcome = kills.tried(case, folder, tmp_path / "here")
    assert outcome.verdict == "silent"
    assert outcome.detail.endswith("differs")
