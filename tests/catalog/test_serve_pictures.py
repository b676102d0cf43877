"""What the service draws: every pixel is one of the cube's, in its colour and place."""

import io
import shutil

import numpy as np
import pyproj
import pytest
from PIL import Image

import cubestore
from cubestore_catalog.views import colormaps, components, sampling
from cubestore_catalog.views.opened import OpenedCubes

HOME = "31UDQ/landsat-c2-l2"
LOOK = f"/quicklook/mgrs/{HOME}"
BANDS = {"B4": 0, "B3": 1, "B2": 2, "B5": 3, "B6": 4, "B7": 5}


def decoded(answer):
    """A PNG as Pillow reads it, ``(y, x, 4)``."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    image = Image.open(io.BytesIO(answer.content))
    assert image.mode == "RGBA"
    return np.asarray(image)


@pytest.fixture(scope="module")
def part(served_store):
    """Reflectance of the part that has data: from row and column 2048 on."""
    data = served_store.cube("31UDQ", "landsat-c2-l2").open(superseded=True)
    slot = int(np.flatnonzero(data.item_id.values == "item-0")[0])
    return data.reflectance.isel(time=slot, y=slice(2048, None), x=slice(2048, None)).values


def test_true_colour_is_the_nearest_pixels(web, part):
    image = decoded(web.get(f"{LOOK}/0.png?size=500"))
    count = image.shape[0]
    taken = ((np.arange(count) + 0.5) * 1613 / count).astype(int)
    values = part[:3, taken[:, None], taken]
    known = np.isfinite(values).all(axis=0)
    assert image.shape == (500, 500, 4)
    np.testing.assert_array_equal(image[..., 3], np.where(known, 255, 0))
    expected = (np.clip(values / 0.3, 0, 1) * 255)[:, known]
    assert np.abs(image[..., :3][known].T - expected).max() <= 0.51
    assert not image[~known].any()


@pytest.mark.parametrize(
    ("query", "colour"),
    [
        ("bands=B7,B5,B3&rescale=0,0.4", lambda b: [b["B7"] / 0.4, b["B5"] / 0.4, b["B3"] / 0.4]),
        (
            "bands=B4,B3,B2&rescale=0,0.2;0,0.4;0.1,0.3",
            lambda b: [b["B4"] / 0.2, b["B3"] / 0.4, (b["B2"] - 0.1) / 0.2],
        ),
        ("bands=B5&rescale=0,0.4", lambda b: [b["B5"] / 0.4] * 3),  # gray
        ("bands=B5&rescale=0,0.4&colormap=gray", lambda b: [b["B5"] / 0.4] * 3),
        (
            "index=ndvi&colormap=gray&rescale=0,0.5",
            lambda b: [(b["B5"] - b["B4"]) / (b["B5"] + b["B4"]) / 0.5] * 3,
        ),
    ],
)
def test_a_pixel_has_the_colour_of_its_numbers(web, part, query, colour):
    image = decoded(web.get(f"{LOOK}/0.png?size=64&{query}"))
    taken = ((np.arange(64) + 0.5) * 1613 / 64).astype(int)
    values = {name: part[n][taken[:, None], taken].astype(float) for name, n in BANDS.items()}
    known = np.isfinite(values["B4"])
    expected = np.clip(np.stack(colour(values), axis=-1), 0, 1) * 255
    assert np.abs(image[..., :3][known] - expected[known]).max() <= 0.51


def test_a_small_part_is_shown_as_it_is(web):
    assert decoded(web.get(f"{LOOK}/0.png?size=2048")).shape == (1613, 1613, 4)


def test_a_window_is_drawn_alone_in_whole_chunks_and_said_to_lie_there(web, part, served_store):
    query = "size=2048&window=2500,2310,2600,2700"  # of chunks of 128: rows 2432-2688
    image = decoded(web.get(f"{LOOK}/0.png?{query}"))
    values = part[:3, 2432 - 2048 : 2688 - 2048, 2304 - 2048 : 2816 - 2048]
    known = np.isfinite(values).all(axis=0)
    expected = (np.clip(values / 0.3, 0, 1) * 255)[:, known]
    assert np.abs(image[..., :3][known].T - expected).max() <= 0.51
    told = web.get(f"{LOOK}/0.json?{query}").json()
    tile = served_store.cube("31UDQ", "landsat-c2-l2").tile
    to_metres = pyproj.Transformer.from_crs("OGC:CRS84", tile.crs.proj, always_xy=True)
    box = tile.geobox(30, margin=15).boundingbox
    corner = box.left + 2304 * 30, box.top - 2432 * 30
    np.testing.assert_allclose(to_metres.transform(*told["corners"][0]), corner, atol=1e-3)


@pytest.mark.parametrize("window", ["0,0,900,900", "9000,9000,9900,9900"], ids=["empty", "outside"])
def test_a_window_without_data_is_said_to_have_none(web, window):
    answer = web.get(f"{LOOK}/0.png?window={window}")
    assert (answer.status_code, "holds no data" in answer.text) == (404, True)


def test_where_a_picture_lies(web, served_store):
    told = web.get(f"{LOOK}/0.json?size=100")
    tile = served_store.cube("31UDQ", "landsat-c2-l2").tile
    to_metres = pyproj.Transformer.from_crs("OGC:CRS84", tile.crs.proj, always_xy=True)
    corners = np.array([to_metres.transform(*corner) for corner in told.json()["corners"]])
    box = tile.geobox(30, margin=15).boundingbox
    west, north = box.left + 2048 * 30, box.top - 2048 * 30
    there = [(west, north), (box.right, north), (box.right, box.bottom), (west, box.bottom)]
    np.testing.assert_allclose(corners, there, atol=1e-3)
    assert (told.json()["width"], told.json()["height"]) == (100, 100)
    lon, lat = np.array(told.json()["corners"]).T
    bounds = [float(one) for one in told.headers["x-bounds"].split(",")]
    np.testing.assert_allclose(bounds, [lon.min(), lat.min(), lon.max(), lat.max()], atol=1e-6)
    drawn = web.get(f"{LOOK}/0.png?size=100").headers
    assert drawn["x-bounds"] == told.headers["x-bounds"]
    assert drawn["x-corners"] == told.headers["x-corners"]
    assert told.json()["window"] == [2048, 2048, 3661, 3661]
    assert drawn["x-window"] == "2048,2048,3661,3661"
    there = [float(one) for one in drawn["x-corners"].split(",")]
    np.testing.assert_allclose(np.reshape(there, (4, 2)), told.json()["corners"], atol=1e-9)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("bands=B9", "no band 'B9'"),
        ("bands=B4,B3", "one band, or three"),
        ("bands=B4,,B3", "words with commas"),
        ("bands=B4&index=ndvi", "one of them"),
        ("index=evil", "ndvi"),
        ("bands=B4&colormap=jet", "viridis"),
        ("bands=B4,B3,B2&colormap=viridis", "one band for it"),
        ("rescale=1,0", "the smaller first"),
        ("rescale=0,nan", "finite"),
        ("rescale=0,1;0,1", "one for each of 3"),
        ("size=0", "from 1 to 2048"),
        ("size=1e9", "from 1 to 2048"),
        ("sise=12", "not known"),
        ("size=12&size=13", "given twice"),
        ("window=1,2,3", "TOP,LEFT,BOTTOM,RIGHT"),
        ("window=0,0,-1,9", "whole numbers"),
        ("window=0,0,1e3,9", "whole numbers"),
        ("window=9,0,9,9", "below its top"),
    ],
)
def test_a_wrong_look_is_refused_with_a_reason(web, query, reason):
    answer = web.get(f"{LOOK}/0.png?{query}")
    assert answer.status_code == 400
    assert reason in answer.json()["description"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{LOOK}/3.png", 404),  # slots 0 to 2
        (f"{LOOK}/-1.png", 400),
        (f"{LOOK}/0.gif", 404),
        ("/quicklook/sin/31UDQ/landsat-c2-l2/0.png", 404),
        ("/quicklook/mgrs/31UDQ/sentinel-2-l2a/0.png", 404),
        ("/quicklook/mgrs/99ZZZ/landsat-c2-l2/0.png", 404),
        ("/quicklook/mgrs/31UDQ/nothing/0.png", 404),
        (f"/embedding/mgrs/{HOME}/0.png?model=clay", 404),
        (f"/embedding/mgrs/{HOME}/7.png", 404),
    ],
)
def test_what_there_is_no_picture_of(web, served_store, path, status):
    answer = web.get(path)
    assert (answer.status_code, set(answer.json())) == (status, {"code", "description"})
    assert served_store.path not in answer.text


@pytest.mark.parametrize(
    ("first", "end", "step", "stride"),
    [
        (0, 512, 3.7, 1),
        (256, 1000, 5.0, 2),
        (128, 10980, 21.4, 3),
        (0, 100, 1.0, 2),
        (0, 130, 2, 9),
    ],
)
def test_pixels_are_taken_of_few_chunks(first, end, step, stride):
    taken = sampling._evenly(first, end, step, stride, 128)
    wanted = first + ((np.arange(len(taken)) + 0.5) * (end - first) / len(taken)).astype(int)
    assert ((taken >= first) & (taken < end)).all()
    assert (np.diff(taken) >= 0).all()
    assert np.abs(taken - wanted).max() <= (stride - 1) * 128
    assert len(np.unique(taken // 128)) <= -(-(end - first) // (128 * stride))


def test_a_whole_tile_costs_a_quarter_of_its_chunks(served_store, monkeypatch):
    opened = OpenedCubes(served_store).of("31UDQ", "landsat-c2-l2")
    monkeypatch.setattr(sampling, "MOST_CHUNKS", 50)
    read = []
    whole = opened.pixels.read
    monkeypatch.setattr(opened.pixels, "read", lambda *how: read.append(how) or whole(*how))
    stored = sampling.sample(opened, 0, [0], sampling.taken(opened, 0, 512))
    assert 0 < len(read) <= 50
    assert stored.shape == (1, 512, 512)
    assert (stored != opened.pixels.array.fill).mean() > 0.8


def test_a_picture_follows_the_cube(tmp_path, served_store):
    store = cubestore.Store(str(shutil.copytree(served_store.path, tmp_path / "copy")))
    cubes = OpenedCubes(store)
    before = cubes.of("31UDQ", "landsat-c2-l2")
    assert cubes.of("31UDQ", "landsat-c2-l2") is before
    cube = store.cube("31UDQ", "landsat-c2-l2")
    with cube.write() as writer:
        writer.append([cubestore.Slot(time="2024-05-01T10:00:00Z", item_id="new")], [])
    after = cubes.of("31UDQ", "landsat-c2-l2")
    assert (before.pixels.array.shape[0], after.pixels.array.shape[0]) == (3, 4)


def test_a_chip_in_the_colours_of_its_sensor(web, part):
    name = "31UDQ-landsat-c2-l2-landsat-8-20240310T105031-0-256-12-11"
    image = decoded(web.get(f"/chip/{name}.png?size=128"))
    rows, columns = (np.arange(1, 256, 2) + n * 256 - 2048 for n in (11, 12))
    values = part[:3, rows[:, None], columns]
    assert image.shape == (128, 128, 4)
    assert np.abs(image[..., :3] - np.moveaxis(np.clip(values / 0.3, 0, 1) * 255, 0, -1)).max() < 1
    assert decoded(web.get(f"/chip/{name}.png?size=1000")).shape == (256, 256, 4)


@pytest.mark.parametrize(
    "chipid",
    [
        "31UDQ-landsat-c2-l2-landsat-8-20240310T105031-0-256-15-11",  # 15 columns
        "31UDQ-landsat-c2-l2-landsat-9-20240310T105031-0-256-12-11",  # another platform
        "31UDQ-landsat-c2-l2-landsat-8-20240310T105032-0-256-12-11",  # another second
        "31UDQ-landsat-c2-l2-landsat-8-20240310T105031-7-256-12-11",
        "31UDQ-landsat-c2-l2-landsat-8-20240310T105031-0-0-12-11",
        "31UDQ-landsat-c2-l2-landsat-8-20240310T105031-0-99999-0-0",
        "31UDQ-nothing-landsat-8-20240310T105031-0-256-12-11",
        "..%2f..%2fetc%2fpasswd",
        "x",
    ],
)
def test_what_is_no_chip(web, chipid):
    assert web.get(f"/chip/{chipid}.png").status_code == 404


def test_embeddings_in_the_colours_of_their_components(web):
    image = decoded(web.get(f"/embedding/mgrs/{HOME}/0.png?model=rcf"))
    assert image.shape == (12, 15, 4)  # three rows of chips have no vectors
    vectors = np.random.default_rng(0).normal(size=(15, 15, 8)).astype("float32")[3:]
    every = np.concatenate([(vectors + slot).reshape(-1, 8) for slot in range(3)]).astype(float)
    centred = every - every.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:3].T
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), range(3)])
    low, high = np.percentile(centred @ axes, (2, 98), axis=0)
    expected = np.clip(((centred[: 12 * 15] @ axes) - low) / (high - low), 0, 1) * 255
    assert np.abs(image[..., :3].reshape(-1, 3) - expected).max() <= 1
    told = web.get(f"/embedding/mgrs/{HOME}/0.json").json()
    assert (told["width"], told["height"]) == (15, 12)
    north = web.get(f"{LOOK}/0.json").json()["corners"][0][1]
    assert told["window"] == [3 * 256, 0, 15 * 256, 15 * 256]  # beyond the tile's 3,661 pixels
    assert told["corners"][0][1] > north  # the embeddings begin further north than the pixels


@pytest.mark.parametrize("dimensions", [1, 2, 3, 40])
def test_components_have_three_axes_and_one_sign(dimensions):
    vectors = np.random.default_rng(1).normal(size=(50, dimensions)).astype("float32")
    made = components.fitted(vectors)
    again = components.fitted(vectors[::-1])
    assert made.axes.shape == (dimensions, 3)
    np.testing.assert_allclose(made.axes, again.axes, atol=1e-6)
    painted = made.colours(np.concatenate([vectors, np.full((1, dimensions), np.nan)])[None])
    assert painted.shape == (1, 51, 4)
    assert painted[0, :50, 3].all()
    assert not painted[0, 50].any()


@pytest.mark.parametrize(
    ("name", "share", "colour"),
    [
        ("gray", 0.5, (128, 128, 128)),
        ("viridis", 0.0, (68, 1, 84)),
        ("viridis", 1.0, (253, 231, 37)),
        ("viridis", 0.5, (33, 145, 140)),
        ("magma", 1.0, (252, 253, 191)),
        ("rdylgn", 0.5, (255, 255, 191)),
        ("terrain", 0.25, (0, 204, 102)),
    ],
)
def test_ramps_are_the_published_ones(name, share, colour):
    found = colormaps.ramped(np.full((1, 1), share), name)[0, 0]
    np.testing.assert_allclose(found, colour, atol=1)  # between the ten places too


def test_land_cover_has_the_colours_of_its_manual():
    colours, known = colormaps.classified(np.array([[10, 80, 0, 77, np.nan]]), "worldcover")
    np.testing.assert_array_equal(known, [[True, True, False, False, False]])
    np.testing.assert_array_equal(colours[0, :2], [(0, 100, 0), (0, 100, 200)])
