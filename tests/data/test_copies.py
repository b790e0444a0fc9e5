import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from segbench.augmentation import Augmentation
from segbench.data.loader import ReplayLoader
from segbench.errors import ConfigError


@pytest.fixture(scope="module")
def quarter_turns(repository):
    return instantiate(OmegaConf.load(repository / "conf" / "augmentation" / "quarter_turns.yaml"))


def test_the_training_set_is_three_times_as_large_and_no_other(carvana, quarter_turns):
    module = carvana(size=[20, 20], augmentation=quarter_turns)
    module.setup()
    plain = carvana(size=[20, 20])
    plain.setup()
    train, before = module.datasets["train"], plain.datasets["train"]
    count = len(before)
    assert len(train) == 3 * count
    assert [len(module.datasets[part]) for part in ("val", "test")] == [len(plain.datasets[p]) for p in ("val", "test")]
    assert train.ids[:count] == before.ids
    assert train.ids[count : 2 * count] == [f"{name} turned -90" for name in before.ids]
    assert len(set(train.ids)) == 3 * count
    for index in range(count):
        image, mask = before[index]["image"].numpy(), before[index]["mask"].numpy()
        for number, turns in ((0, 0), (1, -1), (2, 2)):
            item = train[number * count + index]
            assert item["id"] == train.ids[number * count + index]
            assert np.allclose(item["image"].numpy(), np.rot90(image, turns, axes=(1, 2)), atol=1e-5)
            assert np.array_equal(item["mask"].numpy(), np.rot90(mask, turns))
    with pytest.raises(IndexError):
        train[3 * count]
    assert train[-1]["id"] == train.ids[-1]


def test_copies_are_made_after_the_split(carvana, quarter_turns):
    """Turned before it, an image could train while its copy validates."""
    module = carvana(size=[20, 20], augmentation=quarter_turns, split_by="image")
    module.setup()
    trained = {name.partition(" turned")[0] for name in module.datasets["train"].ids}
    for part in ("val", "test"):
        assert not trained & set(module.datasets[part].ids)


def test_statistics_are_of_the_set_with_its_copies(carvana):
    class Emptied:
        name = "emptied"

        def __call__(self, image, mask):
            return np.zeros_like(image), np.zeros_like(mask)

    plain, module = carvana(), carvana(augmentation=Augmentation(copies=[Emptied()]))
    plain.setup()
    module.setup()
    assert module.mean == pytest.approx(plain.mean / 2)
    assert module.class_pixels[1] == plain.class_pixels[1]
    assert module.class_pixels.sum() == 2 * plain.class_pixels.sum()
    assert module.class_frequencies[1] == pytest.approx(plain.class_frequencies[1] / 2)


def test_images_that_are_not_square_are_refused_before_training(carvana, quarter_turns):
    with pytest.raises(ConfigError, match="20x30 would change its shape") as refusal:
        carvana(augmentation=quarter_turns).setup()
    assert "\n" not in str(refusal.value)


def test_copies_pass_the_random_transforms_and_an_epoch_goes_on_in_the_middle(carvana, quarter_turns):
    flip = instantiate({"_target_": "albumentations.HorizontalFlip", "p": 0.5})
    module = carvana(size=[20, 20], augmentation=Augmentation([flip], quarter_turns.copies))
    module.setup()
    dataset = module.datasets["train"]
    changed = [
        index for index in range(len(dataset)) if not np.array_equal(dataset[0, index]["mask"], dataset[index]["mask"])
    ]
    third = len(dataset) // 3
    assert all(any(start <= index < start + third for index in changed) for start in (0, third, 2 * third))

    def batches(start):
        loader = ReplayLoader(dataset, 4, 0, lambda: (1, start))
        return [(batch["id"], batch["image"].numpy().tobytes()) for batch in loader]

    whole = batches(0)
    assert sorted(name for ids, _ in whole for name in ids) == sorted(dataset.ids)
    assert batches(3) == whole[3:]
