"""What other packages import, and no run needs, comes when it is used; a torchvision that does not fit is borne."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
import segbench
import pytorch_lightning, torch, torchmetrics
network = torch.nn.Linear(2, 2)
optimizer = torch.optim.Adam(network.parameters())
for _ in range(2):
    optimizer.zero_grad()
    network(torch.ones(1, 2)).sum().backward()
    optimizer.step()
print([name for name in ("sympy", "scipy.signal", "torch._dynamo.eval_frame") if name in sys.modules])
from pytorch_lightning.utilities.compile import OptimizedModule
assert not isinstance(network, OptimizedModule)

import scipy.signal
assert scipy.signal.windows.hamming
from torch._dynamo.eval_frame import OptimizedModule as own
import torch._dynamo.config
import torch._dynamo
assert torch._dynamo.config is sys.modules["torch._dynamo.config"]
compiled = torch.compile(network, backend="eager")
assert isinstance(compiled, OptimizedModule) and isinstance(compiled, own) and torch._dynamo.OptimizedModule is own
assert compiled(torch.ones(1, 2)).equal(network(torch.ones(1, 2)))
calls = []
disabled = torch._dynamo.disable(lambda: calls.append(torch.compiler.is_compiling()))
torch.compile(lambda: disabled(), backend="eager")()
optimizer.step()
print(calls)
"""


def python(program, *paths):
    # -S: whatever a machine does to every Python that starts on it is left out.
    path = ":".join([*map(str, paths), *sys.path])
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], env={"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_the_compiler_and_signal_processing_come_when_they_are_used():
    assert python(PROGRAM) == ["[]", "[False]"]


@pytest.mark.slow
@pytest.mark.parametrize(("compiled", "declared"), [(False, 1), (True, 0)])
def test_operators_of_torchvision_are_declared_only_where_they_are_missing(tmp_path, compiled, declared):
    """A stand-in for torchvision that asks for its operators as real builds do."""
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text("from torchvision import operators\n")
    (package / "operators.py").write_text(
        "import torch\n"
        + ("library = torch.library.Library('torchvision', 'DEF')\n" if compiled else "")
        + ("library.define('nms(Tensor a, Tensor b, float c) -> Tensor')\n" if compiled else "")
        + "torch.library.register_fake('torchvision::nms')(lambda a, b, c: a)\n"
    )
    program = (
        "import sys, segbench; from segbench import import_hooks; print('torch' in sys.modules);"
        "import torchvision; print(len(import_hooks._declared), torchvision.operators.__name__)"
    )
    assert python(program, tmp_path) == ["False", f"{declared} torchvision.operators"]
