"""Plans are held against what nnU-Net 2.8.1 plans (``get_pool_and_conv_props`` with feature maps of at least 4)."""

import pytest

from segbench.models.unet_plan import plan_unet

# Size, spacing: how often each axis is halved, stage by stage (b: both, h: height, w: width), and the kernels before
# the lowest stage that are not 3x3.
PLANS = [
    ((256, 256), (1, 1), "bbbbbb", {}),  # the example in its get_network_from_plans.py
    ((512, 512), (0.7, 0.7), "bbbbbbb", {}),
    ((224, 256), (1, 1), "bbbbb", {}),
    ((96, 96), (1, 1), "bbbb", {}),
    ((100, 75), (1, 1), "bbbb", {}),
    ((12, 12), (1, 1), "b", {}),
    ((256, 384), (1, 1), "bbbbbb", {}),
    ((64, 1024), (1, 1), "bbbbwww", {}),
    ((8, 24), (1, 1), "bw", {}),
    ((8, 20), (1, 1), "b", {}),
    ((64, 200), (3, 1), "wbbbb", {0: (1, 3)}),
    ((32, 128), (1, 5), "hhbwww", {0: (3, 1), 1: (3, 1)}),
    ((128, 128), (1, 1.99), "bbbbb", {}),
    ((128, 128), (1, 2), "hbbbb", {0: (3, 1)}),
    ((15, 640), (1, 9), "h", {0: (3, 1)}),
    ((40, 640), (9, 1), "wwwbbb", {0: (1, 3), 1: (1, 3), 2: (1, 3)}),
]
STRIDES = {"b": (2, 2), "h": (2, 1), "w": (1, 2)}


@pytest.mark.parametrize(("size", "spacing", "halved", "kernels"), PLANS)
def test_stages_are_those_of_nnunet(size, spacing, halved, kernels):
    plan = plan_unet(size, spacing)
    assert plan.strides == ((1, 1), *(STRIDES[axes] for axes in halved))
    assert plan.kernels == tuple(kernels.get(stage, (3, 3)) for stage in range(len(halved) + 1))
    assert plan.filters == (32, 64, 128, 256, 512, 512, 512, 512)[: len(halved) + 1]
    assert plan.blocks == (1, 3, 4, 6, 6, 6, 6, 6)[: len(halved) + 1]
    assert plan.stride == 2 ** max(sum(axes in ("b", axis) for axes in halved) for axis in "hw")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((7, 7),), r"^size=\[7, 7\]: too small to be halved once; it must be at least \[8, 8\]$"),
        (((64, 0),), r"^size\[1\] must be a positive integer, got 0$"),
        (([64],), r"^size must be \[height, width\], got \[64\]$"),
        ((64,), r"^size must be \[height, width\], got 64$"),
        (((64, 64), 0.5), r"^spacing must be \[height, width\], got 0.5$"),
        (((64, 64), (1, 0)), r"^spacing=\[1, 0\] must be positive and finite$"),
        (((64, 64), (1, float("nan"))), "must be positive and finite$"),
        (((64, 64), (1, 1), 0), "^width must be a positive integer, got 0$"),
        (((64, 64), (1, 1), 513), "^width must be at most 512, got 513$"),
    ],
)
def test_what_cannot_be_planned_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        plan_unet(*arguments)
