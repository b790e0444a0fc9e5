import pytest

from segbench.configuration.resolvers import if_installed, monitor_mode


@pytest.mark.parametrize(
    ("monitor", "mode"),
    [
        ("val/loss", "min"),
        ("val/dice", "max"),
        ("val/dice_bone loss", "max"),
        ("val/iou_loss", "max"),
        ("val/accuracy", "max"),
    ],
)
def test_the_loss_alone_is_minimised_whatever_a_class_is_called(monitor, mode):
    assert monitor_mode(monitor) == mode


@pytest.mark.slow
def test_the_plateau_schedule_follows_the_monitor(compose):
    for monitor, mode in (("val/loss", "min"), ("val/dice_bone loss", "max")):
        cfg = compose("scheduler=plateau", f"trainer.monitor='{monitor}'")
        assert cfg.scheduler.mode == mode


def test_a_choice_whose_package_is_missing_is_left_out_and_said_once(caplog):
    if_installed.cache_clear()
    assert if_installed("numpy", "smp", ",smp_imagenet") == ",smp_imagenet"
    assert [if_installed("no_such_package", "smp", ",smp_imagenet") for _ in range(2)] == ["", ""]
    assert caplog.messages == [
        "smp_imagenet left out: no_such_package is not installed; pip install -c constraints.txt '.[smp]'"
    ]
