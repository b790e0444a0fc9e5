import numpy as np
import pytest
import torch

from segbench.errors import ConfigError, DataError


def test_training_images_have_mean_0_and_deviation_1(carvana):
    module = carvana()
    module.setup()
    images = torch.stack([module.datasets["train"][i]["image"] for i in range(len(module.datasets["train"]))])
    assert torch.allclose(images.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-4)
    assert torch.allclose(images.std(dim=(0, 2, 3)), torch.ones(3), atol=1e-3)


def test_an_item_is_the_stored_image_normalised(carvana):
    module = carvana()
    module.setup()
    item = module.datasets["val"][0]
    record = next(record for record in module.records if record.id == item["id"])
    image, mask = module.read(record)
    expected = (image / 255 - module.mean) / module.std
    assert item["image"].dtype == torch.float32
    assert item["mask"].dtype == torch.int64
    assert np.allclose(item["image"].numpy(), expected.transpose(2, 0, 1), atol=1e-5)
    assert np.array_equal(item["mask"].numpy(), mask)


def test_class_frequencies_are_those_of_the_training_masks(carvana):
    module = carvana()
    module.setup()
    masks = np.stack([module.datasets["train"][i]["mask"] for i in range(len(module.datasets["train"]))])
    assert module.class_frequencies[1] == pytest.approx((masks == 1).mean())
    assert module.class_frequencies.sum() == pytest.approx(1)


def test_statistics_look_at_the_training_set_alone(carvana, carvana_folder):
    module = carvana()
    module.setup()
    test_ids = {module.records[i].id for i in module.splits["test"]}
    from PIL import Image

    for name in test_ids:
        Image.new("RGB", (60, 40), (255, 255, 255)).save(carvana_folder / "train" / f"{name}.jpg")
    again = carvana()
    again.setup()
    assert again.fingerprint != module.fingerprint
    assert np.array_equal(again.mean, module.mean)


def test_views_of_a_car_stay_together_by_default_and_not_by_image(carvana):
    by_group, by_image = carvana(), carvana(split_by="image")
    by_group.setup()
    by_image.setup()

    def cars(module, part):
        return {module.records[i].group for i in module.splits[part]}

    assert not cars(by_group, "train") & (cars(by_group, "test") | cars(by_group, "val"))
    assert cars(by_image, "train") & (cars(by_image, "test") | cars(by_image, "val"))


def test_the_split_does_not_depend_on_the_run_s_seed(carvana):
    one, two = carvana(seed=1), carvana(seed=2)
    one.setup()
    two.setup()
    assert one.splits == two.splits
    other = carvana(split_seed=3)
    other.setup()
    assert other.splits != one.splits


def test_choices_that_do_not_exist(carvana):
    with pytest.raises(ConfigError, match="split_by=cat"):
        carvana(split_by="cat")


def test_ids_must_be_unique(carvana, monkeypatch):
    module = carvana()
    records, _ = module.find_records()
    monkeypatch.setattr(module, "find_records", lambda: ([records[0], *records], []))
    with pytest.raises(DataError, match="not unique"):
        module.setup()


def test_all_images_of_a_split_make_one_batch(carvana):
    from types import SimpleNamespace

    module = carvana(batch_size="all", split_by="image")
    module.setup()
    device, epochs = SimpleNamespace(root_device=torch.device("cpu")), SimpleNamespace(current=SimpleNamespace())
    epochs.current.processed = epochs.current.ready = 0
    loop = SimpleNamespace(epoch_progress=epochs, epoch_loop=SimpleNamespace(batch_progress=epochs))
    module.trainer = SimpleNamespace(strategy=device, fit_loop=loop, limit_train_batches=1.0, callbacks=[])
    batches = list(module.train_dataloader())
    assert [len(batch["id"]) for batch in batches] == [len(module.splits["train"])]
    assert len(set(batches[0]["id"])) == len(module.splits["train"])
    for split, loader in module.eval_dataloaders().items():
        assert [len(batch["id"]) for batch in loader] == [len(module.splits[split])]
