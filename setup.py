"""What pyproject.toml cannot say: a wheel holds conf/, which lies beside src/, as segbench/conf."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConf(build_py):
    """Copies conf/ into the package, but for an editable installation, which reads it where it is."""

    def run(self) -> None:
        """Build."""
        super().run()
        if not self.editable_mode:
            self.copy_tree("conf", str(Path(self.build_lib, "segbench", "conf")))


setup(cmdclass={"build_py": BuildWithConf})
