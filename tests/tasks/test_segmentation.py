import pytest
import torch
from torch import nn
from torch.nn import functional

from segbench.errors import ConfigError
from segbench.losses import CEDice
from segbench.models import TrainingOutputs, UNet3Plus, UNetPlusPlus
from segbench.tasks import SegmentationTask
from segbench.tasks.windows import Windows


def task_of(network, classes=3):
    names = ["background", "a", "b", "c"][:classes]
    return SegmentationTask(network, CEDice(), torch.optim.SGD, None, names)


class SideNetwork(nn.Module):
    """Returns given tensors, as an oracle's input; asks for sides divisible by 8."""

    stride = 8

    def __init__(self, outputs):
        super().__init__()
        self.outputs = outputs

    def forward(self, image):
        assert image.shape[2:] == (16, 16)
        return self.outputs


def test_the_loss_averages_over_side_outputs_and_adds_the_presence_of_classes():
    torch.manual_seed(0)
    outputs = TrainingOutputs(
        torch.randn(2, 3, 16, 16), (torch.randn(2, 3, 16, 16), torch.randn(2, 3, 16, 16)), torch.randn(2, 2)
    )
    mask = torch.zeros(2, 11, 13, dtype=torch.int64)
    mask[0, :4] = 1
    mask[1, :2] = 255
    task, loss = task_of(SideNetwork(outputs)), CEDice()
    found = task.batch_loss({"image": torch.zeros(2, 1, 11, 13), "mask": mask})
    parts = [loss(part[..., :11, :13], mask) for part in (outputs.logits, *outputs.side_logits)]
    presence = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    expected = sum(parts) / 3 + functional.binary_cross_entropy(torch.sigmoid(outputs.presence), presence)
    torch.testing.assert_close(found, expected)
    assert torch.equal(task(torch.zeros(2, 1, 11, 13)), outputs.logits[..., :11, :13])


def test_side_outputs_weigh_as_they_are_told():
    network = UNet3Plus(1, 3, 2, deep_supervision=True, side_weights=[0.5, 0.25, 0.0, 2.0])
    batch = {"image": torch.randn(2, 1, 16, 16), "mask": torch.randint(0, 3, (2, 16, 16))}
    task = task_of(network)
    outputs = network(batch["image"])
    parts = [task.loss(part, batch["mask"]) for part in (outputs.logits, *outputs.side_logits)]
    expected = sum(weight * part for weight, part in zip((1, 0.5, 0.25, 0, 2), parts, strict=True)) / 3.75
    torch.testing.assert_close(task.batch_loss(batch), expected)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"side_weights": [1.0]}, "there are 0 side outputs; set model.deep_supervision=true"),
        ({"deep_supervision": True, "side_weights": [1.0]}, "there are 3 side outputs; give 3"),
        ({"deep_supervision": True, "side_weights": [1.0, -1.0, 1.0]}, "must be at least 0 and finite"),
    ],
)
def test_weights_that_fit_no_side_outputs_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        UNetPlusPlus(1, 3, 2, **settings)


def test_networks_with_side_outputs_take_any_image_size():
    for network in (UNet3Plus(1, 3, 2, deep_supervision=True, classification=True), UNetPlusPlus(1, 3, 2)):
        task = task_of(network)
        batch = {"image": torch.randn(2, 1, 19, 37), "mask": torch.randint(0, 3, (2, 19, 37))}
        task.batch_loss(batch).backward()
        assert task.eval()(batch["image"]).shape == (2, 3, 19, 37)


def test_logits_of_another_size_than_the_images_are_refused():
    task = task_of(nn.MaxPool2d(2))
    batch = {"image": torch.zeros(2, 3, 8, 6), "mask": torch.zeros(2, 8, 6, dtype=torch.int64)}
    said = "model: MaxPool2d returns 2x3x4x3 for images of 2x3x8x6; height and width must be theirs"
    for use in (task.batch_loss, lambda batch: task(batch["image"])):
        with pytest.raises(ConfigError) as refused:
            use(batch)
        assert str(refused.value) == said


@pytest.mark.parametrize("windows", [None, Windows(size=(8, 8), overlap=0.5)])
def test_flips_average_the_image_and_its_three_mirror_images(windows):
    torch.manual_seed(0)
    network, image = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1)), torch.randn(2, 1, 16, 12)
    plain = SegmentationTask(network, class_names=("a", "b", "c"), windows=windows).eval()
    mirrored = SegmentationTask(network, class_names=("a", "b", "c"), windows=windows, flips=True).eval()
    mirrors = [lambda x: x, lambda x: x.flip(-1), lambda x: x.flip(-2), lambda x: x.flip(-1).flip(-2)]
    with torch.inference_mode():
        found = mirrored(image)
        torch.testing.assert_close(found, sum(mirror(plain(mirror(image))) for mirror in mirrors) / 4)
        for mirror in mirrors:
            torch.testing.assert_close(mirrored(mirror(image)), mirror(found))
        assert not torch.allclose(plain(image.flip(-1)), plain(image).flip(-1), atol=1e-3)


def test_flips_are_for_the_final_evaluation_alone():
    """So the best weights, which validation chooses, are those of the run without."""
    torch.manual_seed(0)
    network, image = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1)), torch.randn(1, 1, 8, 8)
    names = ("background", "a", "b")
    task = SegmentationTask(network, CEDice(), torch.optim.SGD, None, names, flips=True)
    alone = SegmentationTask(network, CEDice(), torch.optim.SGD, None, names)
    with torch.no_grad():
        for mode in (True, False):
            assert torch.equal(task.train(mode)(image), alone.train(mode)(image))
        for trained in (task, alone):
            trained.begin_evaluation(["test"])
        assert not torch.equal(task(image), alone(image))


def test_every_class_has_its_own_scores_after_each_epoch():
    task = task_of(nn.Identity(), classes=3)
    mask = torch.zeros(1, 4, 4, dtype=torch.int64)
    mask[0, 0], mask[0, 1] = 1, 2
    wanted = torch.zeros(1, 4, 4, dtype=torch.int64)
    # Of a 3 of 4 pixels and no other; of b all 4 and 2 others.
    wanted[0, 0, :3], wanted[0, 1], wanted[0, 2, :2] = 1, 2, 2
    table = task.new_table()
    logits = functional.one_hot(wanted, 3).permute(0, 3, 1, 2).float()
    task.evaluate({"image": logits, "mask": mask, "id": ["x"]}, table)
    scores = task.validation_scores(table)
    assert set(scores) == set(task.metric_names(task.class_names, task.background))
    assert scores["val/iou_a"] == pytest.approx(3 / 4)
    assert scores["val/iou_b"] == pytest.approx(4 / 6)
    assert scores["val/dice_a"] == pytest.approx(6 / 7)
    assert scores["val/dice_b"] == pytest.approx(8 / 10)
    assert scores["val/iou"] == pytest.approx((3 / 4 + 4 / 6) / 2)
