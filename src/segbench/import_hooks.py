"""What other packages import, and no run needs, is left out until it is used; a torchvision that does not fit is borne.

Lightning and torchmetrics import torch's compiler and scipy's signal processing (with sympy and more, half of the CPU
time that a run takes to begin) for the sake of one class and one old name. Both packages import torchvision wherever
it is installed, and fail where it does not fit its torch. ``import segbench`` installs these hooks; they load nothing.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import FunctionType, ModuleType
from typing import Any

_COMPILER = "torch._dynamo"
_SIGNAL = "scipy.signal"
# The declarations live as long as this object.
_declared: list[Any] = []


def install() -> None:
    """Install the hooks, if they are not."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def compiler_is_loaded() -> bool:
    """Say whether torch's compiler is loaded, and not only what stands in for it: else nothing has been compiled."""
    return type(sys.modules.get(_COMPILER)) is ModuleType


class _Finder(MetaPathFinder):
    """Finds the packages of the hooks where Python would, and changes how they are executed."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return the spec of a package that has a hook; None for all others."""
        if name.startswith(f"{_COMPILER}.") and not compiler_is_loaded():
            _compiler()
            present = sys.modules.get(name)
            return None if present is None else ModuleSpec(name, _Present(present))
        around = _HOOKS.get(name)
        spec = PathFinder.find_spec(name, path) if around else None
        if around is None or spec is None or spec.loader is None:
            return None
        return around(spec, spec.loader)


class _Present(Loader):
    """Gives a module that is there already; its spec is that of this loader until then, as Python asks the module."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._spec = module, module.__spec__
        module.__spec__ = ModuleSpec(module.__name__, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


def _replace_exec(spec: ModuleSpec, loader: Loader, execute: Callable[[ModuleType], None]) -> ModuleSpec:
    # Of this one loader, which otherwise stays what it is: for sources, resources, tracebacks.
    loader.exec_module = execute  # type: ignore[method-assign, assignment]
    return spec


def _torchvision(spec: ModuleSpec, loader: Loader) -> ModuleSpec:
    """Declare two operators that a CUDA build of torchvision needs in order to be imported with a CPU build of torch.

    They are compiled into torchvision, which then cannot load them. No network calls them.
    """
    original = loader.exec_module

    def execute(module: ModuleType) -> None:
        before = set(sys.modules)
        try:
            original(module)
        except RuntimeError as error:
            if "operator torchvision::" not in str(error):
                raise
            import torch

            library = torch.library.Library("torchvision", "DEF")
            library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            _declared.append(library)
            for name in set(sys.modules) - before:
                if name.startswith("torchvision."):
                    del sys.modules[name]
            original(module)

    return _replace_exec(spec, loader, execute)


def _torchmetrics(spec: ModuleSpec, loader: Loader) -> ModuleSpec:
    """Import torchmetrics without scipy.signal, of which it only asks whether it still has an old name."""
    original = loader.exec_module

    def execute(module: ModuleType) -> None:
        if _SIGNAL in sys.modules:
            return original(module)
        standing_in = ModuleType(_SIGNAL)
        standing_in.hamming = None  # type: ignore[attr-defined]
        sys.modules[_SIGNAL] = standing_in
        try:
            return original(module)
        finally:
            if sys.modules.get(_SIGNAL) is standing_in:
                del sys.modules[_SIGNAL]

    return _replace_exec(spec, loader, execute)


class _Later(ModuleType):
    """The compiler of torch before it is used: what every step calls, and all else once it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_compiler(), name)


class _LaterLoader(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Later(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        module.OptimizedModule = _OptimizedModule  # type: ignore[attr-defined]
        module.disable = _disable  # type: ignore[attr-defined]
        module.graph_break = _graph_break  # type: ignore[attr-defined]


def _later(spec: ModuleSpec, loader: Loader) -> ModuleSpec | None:
    spec.loader = _LaterLoader()
    return spec


def _compiler() -> ModuleType:
    """Load torch's compiler, if it is not."""
    if not compiler_is_loaded():
        standing_in = sys.modules.pop(_COMPILER, None)
        hook = _HOOKS.pop(_COMPILER, None)
        try:
            return importlib.import_module(_COMPILER)
        except BaseException:
            if standing_in is not None and hook is not None:
                sys.modules[_COMPILER] = standing_in
                _HOOKS[_COMPILER] = hook
            raise
    return sys.modules[_COMPILER]


class _IsOptimized(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return compiler_is_loaded() and isinstance(instance, _compiler().OptimizedModule)


class _OptimizedModule(metaclass=_IsOptimized):
    """Stands for ``torch._dynamo.OptimizedModule`` in ``isinstance``: nothing is one before anything is compiled."""


def _graph_break(msg: str = "") -> None:
    """Do nothing, as torch's own does outside a compiled function."""


def _disable(fn: Any = None, recursive: bool = True, **options: Any) -> Any:
    """Return a function that is never compiled: itself, for as long as nothing can be compiled."""
    if fn is None:
        return functools.partial(_disable, recursive=recursive, **options)
    if not isinstance(fn, FunctionType):
        return _compiler().disable(fn, recursive, **options)
    disabled: Any = None

    @functools.wraps(fn)
    def called(*args: Any, **kwargs: Any) -> Any:
        nonlocal disabled
        if disabled is None and compiler_is_loaded():
            disabled = _compiler().disable(fn, recursive, **options)
        return (disabled or fn)(*args, **kwargs)

    return called


_HOOKS: dict[str, Callable[[ModuleSpec, Loader], ModuleSpec | None]] = {
    "torchvision": _torchvision,
    "torchmetrics": _torchmetrics,
    _COMPILER: _later,
}
