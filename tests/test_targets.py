"""What a `_target_` names: found, or refused in one line."""

import sys

import pytest

from segbench.errors import ConfigError
from segbench.targets import find_class, find_module, find_object

NETWORK = "class Network:\n    class Inner:\n        pass\n\n\ndef build():\n    pass\n"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Write a module into a folder that Python looks into."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    before = set(sys.modules)

    def written(name: str, text: str):
        path = tmp_path / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    yield written
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refusal(target, find=find_class):
    with pytest.raises(ConfigError) as refused:
        find("model", target)
    said = str(refused.value)
    assert said.startswith(f"model._target_={target}: ")
    assert "\n" not in said
    return said.removeprefix(f"model._target_={target}: ")


def test_classes_and_functions_are_found_however_deep_they_lie(own):
    own("own_networks", NETWORK)
    own("own_package.parts.deep", NETWORK)
    assert find_class("model", "own_networks.Network").__module__ == "own_networks"
    assert find_class("model", "own_networks.Network.Inner").__name__ == "Inner"
    assert find_class("model", "own_package.parts.deep.Network").__module__ == "own_package.parts.deep"
    assert find_object("model", "own_networks.build").__name__ == "build"
    assert find_class("optimizer", "torch.optim.Adam").__name__ == "Adam"


def test_a_missing_module_is_looked_for_on_pythonpath(own, monkeypatch, tmp_path):
    said = "no module absent_networks; PYTHONPATH must hold the folder of absent_networks.py"
    assert refusal("absent_networks.Network") == f"{said} (it is {tmp_path})"
    monkeypatch.delenv("PYTHONPATH")
    assert refusal("absent_networks.parts.Network") == f"{said} (it is not set)"


def test_a_module_that_cannot_be_imported_says_why(own):
    own("own_broken", "import absent_library\n")
    own("own_wrong", "def f(:\n")
    own("own_failing", "1 / 0\n")
    cannot = "cannot be imported"
    assert refusal("own_broken.Network").startswith(f"own_broken {cannot}: ModuleNotFoundError: No module named 'abs")
    assert refusal("own_wrong.Network") == f"own_wrong {cannot}: SyntaxError: invalid syntax (own_wrong.py, line 1)"
    assert refusal("own_failing.Network") == f"own_failing {cannot}: ZeroDivisionError: division by zero"


def test_what_a_module_lacks_is_said_with_its_file(own):
    path = own("own_networks", f"from torch import nn\n{NETWORK}")
    assert refusal("own_networks.Netwrk") == f"own_networks ({path}) has no Netwrk; did you mean Network?"
    assert refusal("own_networks.nm") == f"own_networks ({path}) has no nm; choose from Network"
    assert refusal("own_networks.Network.Outer") == "Network has no Outer"
    assert refusal("segbench.losses.DiceLos").endswith("losses/__init__.py) has no DiceLos; did you mean DiceLoss?")
    assert "models/__init__.py) has no unnet; choose from AttentionUNet, " in refusal("segbench.models.unnet.UNet")


def test_what_is_no_class_is_refused_where_a_class_is_needed(own):
    own("own_networks", NETWORK)
    assert refusal("own_networks.build") == "is a function; name a class, <module>.<class>"
    for target in ("Network", "own_networks.", ".Network", ""):
        assert refusal(target, find_object) == "write <module>.<class>"


def test_a_module_is_refused_by_where_it_is_named(own):
    own("own_figure", "FIGURE = 1\n")
    assert find_module("--figure own_figure", "own_figure").FIGURE == 1
    with pytest.raises(ConfigError, match=r"^--figure absent_figure: no module absent_figure; PYTHONPATH must"):
        find_module("--figure absent_figure", "absent_figure")
    own("own_package.figure", "FIGURE = 2\n")
    assert find_module("--figure own_package.figure", "own_package.figure").FIGURE == 2
    with pytest.raises(
        ConfigError, match=r"no module own_package\.absent; PYTHONPATH must hold the folder of own_pack"
    ):
        find_module("--figure own_package.absent", "own_package.absent")
