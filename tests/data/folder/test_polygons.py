"""Outlines against matplotlib's point in polygon, which knows nothing of images."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Outline
from tests.data.folder.conftest import picture, read, save

from segbench.data.folder.polygons import Shape, read_coco, read_geojson
from segbench.errors import DataError

SIZE = (24, 32)
CENTRES = np.stack(np.meshgrid(np.arange(32) + 0.5, np.arange(24) + 0.5), axis=-1).reshape(-1, 2)


def inside(points):
    return Outline(np.asarray(points, float)).contains_points(CENTRES).reshape(SIZE)


def box(left, top, right, bottom):
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


@given(st.lists(st.tuples(st.integers(-50, 350), st.integers(-50, 290)), min_size=3, max_size=3, unique=True))
@settings(deadline=None, max_examples=60)
def test_a_pixel_is_inside_if_its_centre_is(points):
    # Tenths with an offset: no centre lies on an edge.
    ring = np.array(points) / 10 + [0.037, 0.0291]
    ours = Shape("a", ((ring,),)).inside(SIZE)
    assert np.array_equal(ours, inside(ring))


def coco(path, segmentations, **annotation):
    content = {
        "images": [{"id": 5, "file_name": "deep/1.png", "height": 24, "width": 32}, {"id": 6, "file_name": "2.png"}],
        "categories": [{"id": 9, "name": "cat"}, {"id": 3, "name": "dog"}],
        "annotations": [
            {"id": n, "image_id": 5, "category_id": category, "segmentation": drawn, **annotation}
            for n, (category, drawn) in enumerate(segmentations)
        ],
    }
    path.write_text(json.dumps(content))


@pytest.fixture
def images(own):
    for number in (1, 2):
        save(own / f"images/{number}.png", picture(number))
    return own


def test_coco_s_polygons_are_unions_and_later_ones_cover_earlier(images, folder):
    flat = [[float(value) for point in ring for value in point] for ring in (box(2, 2, 9, 9), box(12, 2, 20.6, 7))]
    coco(images / "all.json", [(9, flat), (3, [[4, 4, 15, 4, 15, 6, 4, 6]])])
    data = folder(masks="all.json")
    found = read(data)
    expected = np.where(inside(box(2, 2, 9, 9)) | inside(box(12, 2, 20.6, 7)), 2, 0)
    expected[inside(box(4, 4, 15, 6))] = 1
    assert data.class_names == ("background", "dog", "cat")
    assert np.array_equal(found["1"][1], expected)
    assert not found["2"][1].any()
    objects = folder(masks="all.json", instances=True, boundary=0)
    read(objects)
    assert np.array_equal(objects.instances(objects.records[0]), np.array([0, 2, 1])[expected])


def packed(runs):
    """COCO's compressed run lengths, after its definition (maskApi.c, rleToString)."""
    text = ""
    for number, run in enumerate(runs):
        value = run - runs[number - 2] if number > 2 else run
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != -1 if bits & 0x10 else value != 0
            text += chr((bits | 0x20 if more else bits) + 48)
    return text


@pytest.mark.parametrize("form", [list, packed])
def test_coco_s_run_lengths_run_down_the_columns_and_crowds_count_nowhere(images, folder, form):
    mask = np.random.default_rng(0).random(SIZE) < 0.3
    ends = np.flatnonzero(np.diff(np.concatenate([[0], mask.T.ravel().astype(int), [2]])))
    runs = np.diff(np.concatenate([[0], ends])).tolist()
    coco(images / "all.json", [(9, {"size": [24, 32], "counts": form(runs)})])
    assert np.array_equal(read(folder(masks="all.json"))["1"][1], mask * 2)
    coco(images / "all.json", [(9, {"size": [24, 32], "counts": form(runs)})], iscrowd=1)
    crowds = folder(masks="all.json", classes={"background": 0, "dog": 1, "cat": 2})
    assert np.array_equal(read(crowds)["1"][1], mask * 255)


def test_geojson_has_holes_several_parts_and_classes(images, folder):
    hole = {"type": "Polygon", "coordinates": [box(2, 2, 20, 20), box(5, 5, 9, 9)]}
    parts = {"type": "MultiPolygon", "coordinates": [[box(22, 2, 25, 5)], [box(26, 8, 30, 11)]]}
    features = [
        {
            "type": "Feature",
            "geometry": hole,
            "properties": {"classification": {"name": "Tumor", "color": [200, 0, 0]}},
        },
        {"type": "Feature", "geometry": parts, "properties": {}},
    ]
    (images / "outlines").mkdir()
    (images / "outlines/1.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    (images / "outlines/2.geojson").write_text(json.dumps(features[:1]))
    data = folder(masks="outlines")
    found = read(data)
    assert data.class_names == ("background", "Tumor", "object")
    expected = np.where(inside(box(2, 2, 20, 20)) & ~inside(box(5, 5, 9, 9)), 1, 0)
    assert np.array_equal(found["2"][1], expected)
    expected[inside(box(22, 2, 25, 5)) | inside(box(26, 8, 30, 11))] = 2
    assert np.array_equal(found["1"][1], expected)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not a JSON file"),
        ('{"images": [], "annotations": [{"image_id": 1}]}', "not valid COCO JSON"),
        ('{"images": [{"id": 1, "file_name": "a"}], "categories": [{"id": 1, "name": "c"}],'
         ' "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}]}', "a box alone is no mask"),
    ],
)  # fmt: skip
def test_damaged_files_are_refused(tmp_path, text, words):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match=words):
        read_coco(tmp_path / "a.json")


def test_lines_have_no_area(tmp_path):
    (tmp_path / "a.geojson").write_text('{"type": "Feature", "geometry": {"type": "LineString", "coordinates": []}}')
    with pytest.raises(DataError, match="LineString has no area"):
        read_geojson(tmp_path / "a.geojson")


def test_images_that_a_file_lists_but_nobody_has_are_faults(images, folder):
    coco(images / "all.json", [(9, [[2, 2, 9, 2, 9, 9]])])
    (images / "images/2.png").unlink()
    with pytest.raises(DataError, match=r"all.json: lists 2.png, which is not there"):
        read(folder(masks="all.json"))
