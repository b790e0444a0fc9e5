"""Folders that cannot be read as they are: each is refused in one line that shows what is wrong and the remedy."""

import numpy as np
import pytest
from PIL import Image
from tests.data.folder.conftest import NUMBERS, drawing, pairs, picture, read, save

from segbench.errors import ConfigError, DataError


def _two_kinds_of_masks(own):
    pairs(own, "images/a{}.png", "masks/a{}_mask.png")
    pairs(own, "images/a{}.png", "masks/a{}_label.png")


def _no_words(own):
    pairs(own, "a{}.png", "b{}.png")


def _other_names(own):
    pairs(own, "images/a{}.png", "masks/q{}x.png", NUMBERS)
    for number in NUMBERS:
        (own / f"masks/q{number}x.png").rename(own / f"masks/{hash(number) % 7}z{number * 13}.png")


def _lacking(own):
    pairs(own, "images/a{}.png", "masks/a{}.png")
    (own / "masks/a3.png").unlink()


def _other_size(own):
    pairs(own, "images/a{}.png", "masks/a{}.png")
    save(own / "masks/a3.png", drawing(3, (32, 24)))


def _smaller(own):
    pairs(own, "images/a{}.png", "masks/a{}.png")
    save(own / "masks/a3.png", drawing(3, (12, 16)))


def _lossy(own):
    pairs(own, "images/a{}.png", "masks/a{}.jpg")


def _smoothed(own):
    pairs(own, "images/a{}.png", "masks/a{}.png")
    save(own / "masks/a1.png", np.arange(24 * 32).reshape(24, 32).astype(np.uint8))


def _smoothed_colours(own):
    for number in NUMBERS:
        save(own / f"images/a{number}.png", picture(number))
        colours = np.array([[0, 0, 0], [200, 10, 10]], np.uint8)[drawing(number)]
        save(own / f"masks/a{number}.png", picture(99) if number == 1 else colours)


def _swapped(own):
    pairs(own, "masks/a{}.png", "images/a{}.png")


def _swapped_grey(own):
    pairs(own, "masks/a{}.png", "images/a{}.png", shape=(24, 32))


def _photographs(own):
    for number in NUMBERS:
        save(own / f"images/a{number}.png", picture(number))
        save(own / f"masks/a{number}.png", picture(number + 50))


def _many_objects(own):
    for number in NUMBERS:
        save(own / f"images/a{number}.png", picture(number))
        numbers = np.arange(4 * number, 4 * number + 48, dtype=np.uint8).reshape(6, 8)
        save(own / f"masks/a{number}.png", np.kron(numbers, np.ones((4, 4), np.uint8)))


def _some_lossy(own):
    pairs(own, "images/a{}.png", "masks/a{}.jpg", range(1, 6))
    pairs(own, "images/a{}.png", "masks/a{}.png", range(6, 9))


def _constant(own):
    pairs(own, "images/a{}.png", "masks/a{}.png", labels=(0,))


def _mixed_bits(own):
    pairs(own, "images/a{}.png", "masks/a{}.png", shape=(24, 32))
    save(own / "images/a2.png", picture(2, (24, 32), np.uint16))


def _unread(own):
    (own / "images").mkdir(parents=True)
    (own / "images/scan.czi").write_bytes(b"x")
    pairs(own, "elsewhere/a{}.png", "masks/a{}.png")


def _good(own):
    pairs(own, "images/a{}.png", "masks/a{}.png", labels=(0, 1, 2))


def _table(own):
    _good(own)
    (own / "t.csv").write_text("image,mask,split\nimages/a1.png,masks/a9.png,train\nimages/a2.png,masks/a2.png,exam\n")


def _bare_table(own):
    _good(own)
    (own / "t.csv").write_text("image,mask\na1.png,masks/a1.png\n")


@pytest.mark.parametrize(
    ("write", "options", "words"),
    [
        (_two_kinds_of_masks, {}, ["a1.png with ", "a1_mask.png", "data.pair=*_mask", "data.pair=*_label"]),
        (_no_words, {}, ["none is known to be a mask", "data.pair=*_mask"]),
        (_other_names, {}, ["do not match", "data.table"]),
        (_lacking, {}, ["a3.png: image without mask (expected a3 in ", "/masks)", "data.unpaired=skip"]),
        (_other_size, {}, ["a3.png: mask is 24x32, its image 32x24 (width and height swapped"]),
        (_smaller, {}, ["a3.png: mask is 16x12, its image 32x24; export it at the image's size, or remove both"]),
        (_lossy, {}, ["all 8 are lossy JPEG files (a1.jpg, ", "swapped?", "save masks as PNG"]),
        (
            _smoothed,
            {},
            ["256 different values in a1.png, at most 2 in the others", "data.instances=true", "data.classes"],
        ),
        (_smoothed_colours, {}, ["300 different colours in a1.png, at most 2 in the others", "data.colours"]),
        (_swapped, {}, ["the images at most 2: data.images and data.masks are swapped; exchange them"]),
        (_swapped, {"classes": {"a": 0, "ignore": "others"}}, ["data.images and data.masks are swapped"]),
        (_swapped, {"colours": {"a": "#000000", "b": "#FF0000"}}, ["data.images and data.masks are swapped"]),
        (_swapped, {"instances": True}, ["data.images and data.masks are swapped"]),
        (_swapped_grey, {}, ["data.images and data.masks are swapped"]),
        (_photographs, {}, ["8 of 8 masks have many colours", "photographs: are data.images and data.masks swapped?"]),
        (_many_objects, {}, ["different values; if they number objects: data.instances=true"]),
        (_some_lossy, {}, ["masks: 5 files (a1.jpg, a2.jpg, a3.jpg and 2 others): lossy mask", "save masks as PNG"]),
        (_constant, {}, ["all masks have the value 0 alone"]),
        (_mixed_bits, {}, ["a1.png", "a2.png", "data.percentiles=[1,99.8]"]),
        (_unread, {"images": "images"}, [".czi", "convert"]),
        (_good, {"images": "pictures"}, ["data.images=pictures: no such folder"]),
        (_good, {"classes": {"background": 0, "cell": 1}}, ["the masks also have 2", "ignore: others"]),
        (_good, {"classes": {"background": 0, "a": 1, "b": [1, 2]}}, ["a and b are both 1"]),
        (_good, {"pair": "mask"}, ["data.pair=mask", "one *"]),
        (_good, {"group": "b*"}, ["data.group=b*", "do not match"]),
        (_good, {"objects": ["cell"]}, ["no class cell", "class 1"]),
        (_table, {"table": "t.csv"}, ["line 2: no file masks/a9.png", "line 3: split exam"]),
        (_bare_table, {"table": "t.csv"}, ["no file a1.png in /", "there is images/a1.png and masks/a1.png: name the"]),
        (_good, {"table": "u.csv"}, ["data.table=u.csv: no such file"]),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_remedy(own, folder, write, options, words):
    write(own)
    with pytest.raises((DataError, ConfigError)) as refused:
        read(folder(**options))
    for word in words:
        assert word in str(refused.value)
    assert len(str(refused.value).splitlines()) <= 9


def test_a_mask_turned_by_the_camera_is_no_mask_of_its_image(own, folder):
    pairs(own, "images/{}.png", "masks/{}.png", shape=(24, 24, 3))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(1, (24, 24, 3))).save(own / "images/1.png", exif=exif)
    with pytest.raises(DataError, match="EXIF orientation"):
        read(folder())


def test_messages_name_the_key_that_was_typed(own, folder, monkeypatch, caplog):
    pairs(own, "images/a{}.png", "masks/a{}.png")
    monkeypatch.chdir(own)
    with caplog.at_level("INFO"):
        folder(root=".", images="images", masks="masks").inspect()
        assert {line.partition(": ")[0] for line in caplog.messages} == {"data.images=images"}
        caplog.clear()
        folder(root=str(own)).inspect()
        assert {line.partition(": ")[0] for line in caplog.messages} == {f"data.root={own}"}
    (own / "masks/a3.png").write_bytes(b"")
    with pytest.raises(DataError, match="^data.images=images: 1 file cannot be used"):
        folder(root=".", images="images", masks="masks").inspect()
