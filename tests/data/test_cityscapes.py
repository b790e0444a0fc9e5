import numpy as np
import pytest
import torch
from PIL import Image

from segbench.data.cityscapes import CityscapesData
from segbench.data.cityscapes_labels import LABELS
from segbench.data.pictures import open_picture
from segbench.errors import ConfigError, DataError

HEIGHT, WIDTH = 32, 64
FRAMES = ("train/aachen/a_0", "train/aachen/a_1", "train/bochum/b_0", "val/munster/m_0")


def image_of(root, frame):
    return root / "leftImg8bit" / f"{frame}_leftImg8bit.png"


def label_of(root, frame, kind="labelIds"):
    return root / "gtFine" / f"{frame}_gtFine_{kind}.png"


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def root(tmp_path):
    """Four frames in three cities; every id occurs, and what must not be taken for labels lies beside."""
    chance = np.random.default_rng(0)
    for frame in FRAMES:
        ids = np.kron(chance.permutation(np.arange(128) % 34).reshape(8, 16), np.ones((4, 4))).astype(np.uint8)
        save(image_of(tmp_path / "city", frame), chance.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8))
        save(label_of(tmp_path / "city", frame), ids)
        save(label_of(tmp_path / "city", frame, "instanceIds"), ids.astype(np.uint16) * 1000)
        save(label_of(tmp_path / "city", frame, "labelTrainIds"), np.full((HEIGHT, WIDTH), 3, np.uint8))
        save(label_of(tmp_path / "city", frame, "color"), np.zeros((HEIGHT, WIDTH, 4), np.uint8))
    return tmp_path / "city"


@pytest.fixture
def make(root, tmp_path):
    return lambda **options: CityscapesData(root=str(root), cache_dir=tmp_path / "cache", **options)


def ids_of(root, frame):
    return np.asarray(Image.open(label_of(root, frame)))


def test_names_ids_train_ids_and_colours_are_the_official_ones():
    official = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    ours = [(label.name, label.id, label.train_id, label.colour) for label in LABELS]
    theirs = [
        (
            part.name,
            part.id,
            None if part.trainId in (255, -1) else part.trainId,
            "#{:02X}{:02X}{:02X}".format(*part.color),
        )
        for part in official
        if part.id >= 0
    ]
    assert ours == theirs
    assert [label.id for label in LABELS] == list(range(34))


def test_the_splits_are_the_official_ones_and_cities_are_groups(make):
    module = make(size=[16, 32])
    module.setup()
    assert [record.id for record in module.records] == list(FRAMES)
    assert module.splits == {"train": [0, 1, 2], "val": [3]}
    assert module.summary()["groups"] == {"train": 2, "val": 1}
    assert list(module.eval_dataloaders()) == ["val"]


@pytest.mark.parametrize(("labels", "classes"), [("train_ids", 19), ("train_ids_void", 20), ("ids", 34)])
def test_labels_are_mapped_pixel_by_pixel(make, root, labels, classes):
    module = make(labels=labels, size=[HEIGHT, WIDTH])
    module.setup()
    assert module.num_classes == len(module.class_names) == len(module.class_colours) == classes
    assert not module.background
    void = {"train_ids": 255, "train_ids_void": 19}.get(labels)
    for index, frame in enumerate(FRAMES):
        ids = ids_of(root, frame)
        expected = np.array([label.id if void is None else label.train_id for label in LABELS], dtype=object)
        expected = np.where(expected == None, void, expected).astype(int)  # noqa: E711 - element by element
        assert np.array_equal(module.datasets["train"].arrays.targets[index], expected[ids])
    assert np.array_equal(module.class_pixels > 0, np.ones(classes, bool))


def test_resizing_is_bilinear_for_images_and_nearest_for_labels(make, root):
    module = make(size=[16, 32], labels="ids", normalise=False)
    module.setup()
    item = module.datasets["val"][0]
    picture = Image.open(image_of(root, FRAMES[3])).resize((32, 16), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(item["image"].permute(1, 2, 0).numpy() * 255, np.asarray(picture), atol=1e-3)
    # Blocks of 4x4 pixels: whatever the nearest neighbour is, it is in the same block.
    assert np.array_equal(item["mask"].numpy(), ids_of(root, FRAMES[3])[::2, ::2])
    assert make().size == (256, 512)


def test_normalising_is_an_option_that_is_kept_for_predictions(make):
    normalised, raw = make(), make(normalise=False)
    normalised.setup()
    raw.setup()
    together = torch.stack([normalised.datasets["train"][index]["image"] for index in range(3)])
    assert together.mean(dim=(0, 2, 3)).abs().max() < 1e-3
    assert (together.std(dim=(0, 2, 3)) - 1).abs().max() < 1e-3
    assert (raw.mean == 0).all()
    assert (raw.std == 1).all()
    image = raw.datasets["train"][0]["image"]
    assert 0 <= image.min() < image.max() <= 1


@pytest.mark.slow
def test_crops_are_parts_of_the_frame_drawn_by_seed_epoch_and_frame(make, root):
    module = make(input="crop", size=[8, 16], labels="ids", normalise=False, seed=5)
    module.setup()
    train = module.datasets["train"]
    image, ids = np.asarray(Image.open(image_of(root, FRAMES[1]))), ids_of(root, FRAMES[1])
    places = set()
    for epoch in range(40):
        item = train[epoch, 1]
        assert item["image"].shape == (3, 8, 16)
        pixels = np.rint(item["image"].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
        found = [
            (top, left)
            for top in range(HEIGHT - 7)
            for left in range(WIDTH - 15)
            if np.array_equal(image[top : top + 8, left : left + 16], pixels)
        ]
        assert len(found) == 1
        ((top, left),) = found
        assert np.array_equal(item["mask"].numpy(), ids[top : top + 8, left : left + 16])
        places.add((top, left))
        again = train[epoch, 1]
        assert torch.equal(item["image"], again["image"])
    assert len(places) > 30
    assert not torch.equal(train[0, 0]["mask"], train[0, 2]["mask"])
    # Whole frames where nothing is trained.
    assert module.datasets["val"][0]["image"].shape == train[0]["image"].shape == (3, HEIGHT, WIDTH)
    assert make(input="crop").crop == (512, 512)


def test_crops_can_be_drawn_from_frames_that_are_resized_first(make):
    from segbench.data.loader import Draw

    resized, cropped = make(size=[16, 32], labels="ids"), make(input="crop", frame=[16, 32], size=[8, 8], labels="ids")
    resized.setup()
    cropped.setup()
    for split in ("train", "val"):
        for whole, same in zip(
            resized.scored(split) if split == "val" else resized.datasets[split], cropped.datasets[split], strict=True
        ):
            assert torch.equal(whole["image"], same["image"])
            assert torch.equal(whole["mask"], same["mask"])
    item = cropped.datasets["train"][Draw(0, 0)]
    whole = cropped.datasets["train"][0]
    places = [(top, left) for top in range(9) for left in range(25)]
    assert any(
        torch.equal(item["image"], whole["image"][:, top : top + 8, left : left + 8])
        and torch.equal(item["mask"], whole["mask"][top : top + 8, left : left + 8])
        for top, left in places
    )


def test_crops_reach_every_edge_and_may_be_the_whole_frame(make):
    module = make(input="crop", size=[HEIGHT, WIDTH - 1], labels="ids")
    module.setup()
    train = module.datasets["train"]
    whole = train[0]["mask"]
    seen = {torch.equal(train[epoch, 0]["mask"], whole[:, 1:]) for epoch in range(20)}
    assert seen == {False, True}


def test_full_resolution_truth_is_what_was_drawn(make, root):
    module = make(size=[16, 32], full_resolution_scores=True, labels="ids")
    module.setup()
    (frame,) = module.volume_slices("val")
    assert (frame.id, frame.group, frame.positions) == (FRAMES[3], "munster", (0,))
    assert np.array_equal(frame.truth()[0], ids_of(root, FRAMES[3]))
    # One frame is an image, and no volume of one slice.
    assert frame.spacing == module.pixel_spacing(module.records[0]) == (1.0, 1.0)
    assert module.unit == "px"
    assert module.foreground == module.class_names
    chance = np.random.default_rng(1).random((34, 16, 32)).astype(np.float32)
    expected = torch.nn.functional.interpolate(torch.from_numpy(chance)[None], (HEIGHT, WIDTH), mode="bilinear")[0]
    np.testing.assert_allclose(frame.plane.restore(chance), expected, atol=1e-6)
    assert make(size=[16, 32]).volume_slices("val") == []


# -- bad input -------------------------------------------------------------------------------------


def refused(module, *parts):
    with pytest.raises(DataError) as refusal:
        module.setup()
    lines = str(refusal.value).splitlines()
    assert any(all(str(part) in line for part in parts) for line in lines), lines
    return lines


def test_only_colour_images(make, root):
    for frame in FRAMES:
        for kind in ("labelIds", "instanceIds", "labelTrainIds"):
            label_of(root, frame, kind).unlink()
    lines = refused(make(), image_of(root, FRAMES[0]), "no a_0_gtFine_labelIds.png, only a_0_gtFine_color.png")
    assert len(lines) == 1 + len(FRAMES)


def test_label_train_ids_beside_no_label_ids(make, root):
    for frame in FRAMES:
        for kind in ("labelIds", "instanceIds", "color"):
            label_of(root, frame, kind).unlink()
    refused(make(), image_of(root, FRAMES[3]), "only m_0_gtFine_labelTrainIds.png")


def test_train_ids_under_the_name_of_ids(make, root):
    train_ids = np.array([255 if label.train_id is None else label.train_id for label in LABELS], np.uint8)
    save(label_of(root, FRAMES[1]), train_ids[ids_of(root, FRAMES[1])])
    refused(make(), label_of(root, FRAMES[1]), "contains 255, like train ids")


@pytest.mark.slow
@pytest.mark.parametrize("labels", ["train_ids", "train_ids_void", "ids"])
def test_train_ids_without_any_ignored_pixel(make, root, labels):
    for frame in FRAMES:
        save(label_of(root, frame), ids_of(root, frame) % 19)
    refused(make(labels=labels), "no label above 18 occurs")


def test_an_image_without_label_and_a_label_without_image(make, root):
    for kind in ("labelIds", "instanceIds", "labelTrainIds", "color"):
        label_of(root, FRAMES[0], kind).unlink()
    image_of(root, FRAMES[2]).unlink()
    lines = refused(make(), f"{image_of(root, FRAMES[0])}: image without label a_0_gtFine_labelIds.png")
    assert any(f"{label_of(root, FRAMES[2])}: label without image" in line for line in lines)


def test_frames_of_two_sizes(make, root):
    save(image_of(root, FRAMES[2]), np.zeros((16, 32, 3), np.uint8))
    save(label_of(root, FRAMES[2]), np.full((16, 32), 26, np.uint8))
    refused(make(), image_of(root, FRAMES[2]), "32x16, but train/aachen/a_0 is 64x32")


def test_a_label_of_another_size_than_its_image(make, root):
    save(label_of(root, FRAMES[2]), np.full((16, 32), 26, np.uint8))
    refused(make(), label_of(root, FRAMES[2]), "mask is 32x16, its image 64x32")


def test_a_city_in_two_splits(make, root):
    for path in (image_of(root, FRAMES[0]), label_of(root, FRAMES[0])):
        copy = path.parents[2] / "val" / "aachen" / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    refused(make(), "aachen: the same city in two splits")


def test_nothing_there_says_where_to_get_it(make, root, tmp_path):
    refused(CityscapesData(root=str(tmp_path / "none"), cache_dir=tmp_path), "no such folder", "cityscapes-dataset.com")
    image_of(root, FRAMES[3]).unlink()
    refused(make(), "leftImg8bit/val/<city>", "gtFine_trainvaltest.zip")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": "trainIds"}, "data.labels=trainIds"),
        ({"input": "tile"}, "data.input=tile"),
        ({"split_by": "image"}, "data.split_by=image"),
        ({"input": "crop", "resident": True}, "data.resident=true"),
        ({"input": "crop", "tiles": "2x2"}, "data.tiles: crops are cut from whole frames"),
        ({"frame": [16, 32]}, r"data.frame=\[16, 32\]: only for crops"),
        ({"input": "crop", "frame": [16, 32], "size": [17, 32]}, r"larger than the frames \(\[16,32\]\)"),
        ({"input": "crop"}, r"data.size=\[512,512\]: the crop is larger than the frames \(\[32,64\]\)"),
    ],
)
def test_options_that_cannot_be(make, options, message):
    with pytest.raises(ConfigError, match=message) as refusal:
        make(**options).setup()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("input", ["resize", "crop"])
def test_a_picture_to_predict_is_prepared_as_training_frames_are(make, root, input):
    module = make(input=input, size=[16, 32])
    module.setup()
    picture = open_picture(image_of(root, FRAMES[3]), module.input_format())
    (prepared,) = picture.inputs()
    assert np.array_equal(prepared, module.datasets["val"].arrays.images[3])
    assert prepared.flags.writeable
    assert picture.plane.restore(np.zeros((19, *prepared.shape[:2]), np.float32)).shape == (19, HEIGHT, WIDTH)
