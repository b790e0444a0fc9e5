import pytest
from tests.survey import planted


@pytest.fixture(scope="session")
def clean(tmp_path_factory):
    return planted.draw(tmp_path_factory.mktemp("clean") / "shapes")


@pytest.fixture(scope="session")
def faulty(tmp_path_factory):
    return planted.plant(planted.draw(tmp_path_factory.mktemp("faulty") / "shapes"))


@pytest.fixture(scope="session")
def look_at(compose, tmp_path_factory):
    """Survey a folder, without measuring a step."""
    from segbench.survey.look import survey

    def looked(root, *overrides):
        cache = tmp_path_factory.mktemp("cache")
        cfg = compose("data=folder", f"data.root={root}", f"paths.cache={cache}", *overrides)
        return survey(cfg, {"data": "folder", "loss": "dice", "augmentation": "none"}, steps=0)

    return looked


@pytest.fixture(scope="session")
def surveyed(look_at, faulty):
    """The survey of the set with planted faults, looked at once."""
    return look_at(faulty)
