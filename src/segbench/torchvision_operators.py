"""Makes a torchvision that was built for CUDA importable beside a torch for processors.

Lightning's metrics and timm import torchvision wherever it is installed, and then nothing works without this.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

_DECLARED: list[Any] = []


def declare_missing() -> None:
    """Declare two operators that some builds of torchvision need to be imported beside a torch for processors.

    They are compiled into torchvision and cannot be loaded where its build is for CUDA and torch's is not. No network
    calls them. Nothing is declared where torchvision can be imported as it is, nothing imported where there is none.
    """
    if find_spec("torchvision") is None:
        return
    import torch

    try:
        import torchvision  # noqa: F401 - tried
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _DECLARED.append(library)  # they last as long as this object
