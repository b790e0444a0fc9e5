"""Makes a CUDA build of torchvision importable with a CPU build of torch.

torchmetrics and timm import torchvision whenever it is installed, and fail without this.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

_DECLARED: list[Any] = []


def declare_missing() -> None:
    """Declare two operators that a CUDA build of torchvision needs in order to be imported with a CPU build of torch.

    They are compiled into torchvision, which then cannot load them. No network calls them. Nothing is declared if
    torchvision can be imported anyway, and nothing imported if it is not installed.
    """
    if find_spec("torchvision") is None:
        return
    import torch

    try:
        import torchvision  # noqa: F401 - only to see whether it works
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _DECLARED.append(library)  # the declarations live as long as this object
