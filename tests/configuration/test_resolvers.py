import pytest

from segbench.configuration.resolvers import monitor_mode


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


def test_the_plateau_schedule_follows_the_monitor(compose):
    for monitor, mode in (("val/loss", "min"), ("val/dice_bone loss", "max")):
        cfg = compose("scheduler=plateau", f"trainer.monitor='{monitor}'")
        assert cfg.scheduler.mode == mode
