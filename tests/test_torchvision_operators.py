"""A torchvision that does not fit its torch."""

import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(("compiled", "declared"), [(False, 1), (True, 0)])
def test_operators_of_torchvision_are_declared_only_where_they_are_missing(tmp_path, compiled, declared):
    """A stand-in for torchvision that asks for its operators as real builds do."""
    (tmp_path / "torchvision.py").write_text(
        "import torch\n"
        + ("library = torch.library.Library('torchvision', 'DEF')\n" if compiled else "")
        + ("library.define('nms(Tensor a, Tensor b, float c) -> Tensor')\n" if compiled else "")
        + "torch.library.register_fake('torchvision::nms')(lambda a, b, c: a)\n"
    )
    program = (
        "from segbench import torchvision_operators as ours; ours.declare_missing(); ours.declare_missing();"
        "import torchvision; print(len(ours._DECLARED))"
    )
    path = f"{tmp_path}:{':'.join(sys.path)}"
    # -S: whatever a machine does to every Python that starts on it is left out.
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], env={"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(declared)
