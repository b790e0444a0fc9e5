"""What segbench is called, in a checkout and installed."""

import sys

import pytest

import segbench
from segbench import commands, installation
from segbench.errors import ConfigError
from segbench.installation import again, require, requirement, typed


def test_an_absent_package_is_named_with_the_command_that_installs_it():
    with pytest.raises(
        ConfigError, match=r"^model=smp: no_such_package is not installed; pip install -c constraints.txt '.\[smp\]'$"
    ):
        require("no_such_package", "smp", "model=smp")


def test_a_package_that_lacks_one_of_its_own_says_which(tmp_path, monkeypatch):
    (tmp_path / "half_installed.py").write_text("import something_it_needs")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        ConfigError, match=r"half_installed cannot be imported \(No module named 'something_it_needs'\)"
    ):
        require("half_installed", "smp", "model=smp")


def test_a_checkout_s_commands_are_scripts_unless_the_installed_one_was_typed(monkeypatch, repository):
    monkeypatch.setattr(sys, "argv", [str(repository / "src" / "run.py"), "-m"])
    assert (typed("report"), again("run")) == ("python src/report.py", [sys.executable, sys.argv[0]])
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/segbench", "-m"])
    assert (typed("report"), again("run")) == ("segbench report", [sys.executable, "/somewhere/bin/segbench", "run"])


def test_where_it_is_installed_an_extra_is_its_packages(monkeypatch):
    monkeypatch.setattr(installation, "INSTALLED", True)
    monkeypatch.setattr(
        installation.metadata, "requires", lambda _: ["numpy>=2", 'b[c]>=1; extra == "x"', 'd; extra == "xy"']
    )
    assert requirement("x") == "pip install 'b[c]>=1' (segbench's extra x)"


def test_the_installed_program_runs_the_command_that_it_is_given(monkeypatch, capsys):
    def typed(*words):
        monkeypatch.setattr(sys, "argv", ["/bin/segbench", *words])
        return commands.main(), *capsys.readouterr()

    assert typed("--version") == (0, f"segbench {segbench.__version__}\n", "")
    assert typed("surve") == (2, "", "error: surve: no such command; did you mean survey?\n")
    assert all(f"  {name} " in typed()[1] for name in commands.COMMANDS)
    code, out, _ = typed("predict", "--help")
    assert (code, out.splitlines()[0][:27], sys.argv[1:]) == (0, "usage: segbench predict run", ["--help"])
