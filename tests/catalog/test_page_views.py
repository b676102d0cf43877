"""The page's sums beside those of others, and what the service draws for it."""

import base64

import httpx
import numcodecs
import numpy as np
import pyproj
import pytest
from playwright.sync_api import expect

import cubestore
from cubestore import embeddings
from cubestore.embeddings import Embedding
from cubestore_catalog import service
from tests.catalog import test_page
from tests.catalog.conftest import serving
from tests.catalog.test_page import image_of, lon_lat, on_screen, opened, settle, show

COVER, FAR_EAST = "mgrs/31UDQ/esa-worldcover", "mgrs/01KAB/esa-worldcover"
WIDE = "mgrs/31UEQ/esa-worldcover"
TREES, WATER = (0, 0x64, 0), (0, 0x64, 0xC8)
"""Colours of the classes 10 and 80 (ESA WorldCover Product User Manual)."""

MODELS = [
    Embedding(model=name, preprocessing="none", pooling="mean", dimensions=8)
    for name in ("first", "second")
]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Trees and water with embeddings of two models; across the antimeridian; across a tile."""
    made = cubestore.create_store(tmp_path_factory.mktemp("views") / "store")
    classes = np.full((1, 2048, 2048), 10, "uint8")
    classes[..., 1024:] = 80
    cube = made.create_cube("31UDQ", "esa-worldcover")
    for month in (1, 2, 3):
        told = {"item_id": f"item-{month}", "platform": "any", "cloud_cover": 30.0 * (month - 1)}
        time = f"2024-0{month}-10T00:00:00Z"
        cube.append(cubestore.Slot(time=time, **told), {"land_cover": classes}, origin=(0, 0))
    for number, model in enumerate(MODELS):
        vectors = np.full((43, 43, 8), np.nan, "float32")
        vectors[:8, :8] = np.random.default_rng(number).normal(size=(8, 8, 8))
        with embeddings.write(cube, model) as writer:
            writer.fill(0, vectors, commit=cube.slot_commits()[0])
            writer.fill(1, vectors[::-1, ::-1], commit=cube.slot_commits()[1])
    far = made.create_cube("01KAB", "esa-worldcover")
    slot = cubestore.Slot(time="2024-01-10T00:00:00Z", item_id="item", platform="any")
    far.append(slot, {"land_cover": classes}, origin=(0, 0))
    across = np.zeros((1, 2048, 10980), "uint8")
    across[..., :2048], across[..., 10240:] = 10, 80
    made.create_cube("31UEQ", "esa-worldcover").append(slot, {"land_cover": across})
    return made


@pytest.fixture(scope="module")
def root(store):
    with serving(service(store.path)) as address:
        yield address


@pytest.fixture(scope="module")
def plain(root):
    """The service at an address that is neither https nor localhost."""
    return root.replace("127.0.0.1", "plain.test")


@pytest.fixture(scope="module")
def page(browser, plain):
    with opened(browser, plain) as one:
        yield one


def at(store, path, row, column):
    """The longitude and latitude of a pixel's middle."""
    data = test_page.opened_cube(store, path)
    return lon_lat(data, data.x.values[column], data.y.values[row])


def colour(page, lon, lat):
    column, row = (int(number) for number in on_screen(page, lon, lat))
    return tuple(image_of(page)[row, column].tolist())


def link(path, place, zoom, view):
    return f"cube={path}&slot=0&view={view}&map={place[0]:.6f},{place[1]:.6f},{zoom}"


# What it computes.

SINUSOIDAL = "+proj=sinu +R=6371007.181 +units=m +no_defs"


@pytest.mark.parametrize(
    ("code", "places"),
    [
        ("EPSG:32631", [(3, 0), (2.35, 48.85), (0, 0.001), (6, 83.9), (7.2, 60)]),  # and beyond
        ("EPSG:32701", [(-177, -0.001), (-175.1, -79.9), (-179.99, -16.8)]),
        ("EPSG:32660", [(177, 10), (179.999, 65), (180.6, 65)]),  # on, past the antimeridian
        (None, [(0, 0), (15.6, 49.9), (-179, 1), (170, -60), (1, 89.9)]),
    ],
    ids=["north", "south", "antimeridian", "sinusoidal"],
)
def test_places_are_projected_as_proj_does(page, code, places):
    sums = """async ([code, places]) => {
        const { projectionOf } = await import("./projection.js");
        const there = projectionOf(code);
        const metres = places.map((place) => there.forward(...place));
        return [metres, metres.map((metre) => there.inverse(...metre))];
    }"""
    metres, back = page.evaluate(sums, [code, places])
    projection = pyproj.Transformer.from_crs(
        pyproj.CRS(code or SINUSOIDAL).geodetic_crs, code or SINUSOIDAL, always_xy=True
    )
    expected = np.transpose(projection.transform(*np.transpose(places)))
    np.testing.assert_allclose(metres, expected, atol=1e-5)
    np.testing.assert_allclose(back, places, atol=1e-10)


def test_the_other_end_of_the_antimeridian_is_projected_to_the_same_place(page):
    east, west = page.evaluate("""async () => {
        const { utm } = await import("./projection.js");
        return [utm(60, false).forward(180.6, 65), utm(60, false).forward(-179.4, 65)];
    }""")
    np.testing.assert_allclose(east, west, atol=1e-6)


def noise(kind, count):
    return np.random.default_rng(0).integers(0, 255, count * np.dtype(kind).itemsize, "uint8")


BIT, BYTE, NONE = numcodecs.Blosc.BITSHUFFLE, numcodecs.Blosc.SHUFFLE, numcodecs.Blosc.NOSHUFFLE
CHUNKS = [
    (np.arange(128 * 128 * 10, dtype="int16"), {"shuffle": BIT}),  # a chunk of a cube
    (np.linspace(0, 1, 128 * 128 * 2, dtype="float32"), {"shuffle": BYTE}),
    (np.repeat(np.arange(300, dtype="uint8"), 99), {"shuffle": NONE}),  # overlapping copies
    (np.zeros(5000, "float64"), {"shuffle": BIT}),  # runs longer than 255
    (noise("int16", 3000).view("int16"), {"shuffle": BIT}),  # cannot be compressed
    (np.arange(1001, dtype="int16"), {"shuffle": BIT}),  # elements that fill no byte of bits
    (
        np.arange(70_001, dtype="int32"),
        {"shuffle": BYTE, "blocksize": 4096},
    ),  # a last, shorter block
    (np.arange(70_001, dtype="int32"), {"shuffle": BIT, "blocksize": 4096}),
    (np.arange(40, dtype="int16"), {"shuffle": BYTE}),  # too few to be split
    (np.arange(500, dtype="int16"), {"clevel": 0}),  # stored as it is
]


def test_chunks_are_decoded_as_numcodecs_does(page):
    encoded = [numcodecs.Blosc(**{"cname": "lz4", **how}).encode(data) for data, how in CHUNKS]
    sums = """async (chunks) => {
        const { decode } = await import("./blosc.js");
        const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
        const text = (found) => btoa(Array.from(found, (b) => String.fromCharCode(b)).join(""));
        return chunks.map((chunk) => text(decode(bytes(chunk))));
    }"""
    found = page.evaluate(sums, [base64.b64encode(chunk).decode() for chunk in encoded])
    decoded = [base64.b64decode(text) for text in found]
    assert decoded == [data.tobytes() for data, _ in CHUNKS]


def test_a_chunk_of_another_compressor_is_refused(page):
    zstd = base64.b64encode(numcodecs.Blosc(cname="zstd").encode(np.arange(500))).decode()
    sums = """async (chunk) => {
        const { decode } = await import("./blosc.js");
        try { decode(Uint8Array.from(atob(chunk), (c) => c.charCodeAt(0))); }
        catch (error) { return error.message; }
    }"""
    assert page.evaluate(sums, zstd) == "Blosc with another compressor than LZ4"


# What it shows.


def test_too_far_away_for_pixels_the_service_draws_the_same_colours(page, store):
    middle = at(store, COVER, 1024, 1024)
    trees, water = at(store, COVER, 900, 850), at(store, COVER, 950, 1150)
    for zoom, source in ((10, "picture"), (12, "zarr")):
        show(page, link(COVER, middle, zoom, "classes"))
        expect(page.locator("#status")).to_have_attribute("data-from", source)
        assert (colour(page, *trees), colour(page, *water)) == (TREES, WATER)


def test_of_a_whole_tile_only_what_is_in_view_is_drawn_and_a_little_more(page, store):
    asked = []
    page.on("response", lambda answer: asked.append(answer) if "quicklook" in answer.url else None)
    trees = at(store, WIDE, 1024, 1024)
    show(page, link(WIDE, trees, 10.2, "classes"))
    expect(page.locator("#status")).to_have_attribute("data-from", "picture")
    assert colour(page, *trees) == TREES
    (drawn,) = [answer for answer in asked if "png" in answer.url]
    window = httpx.URL(drawn.url).params["window"].split(",")
    assert int(window[3]) < 5000  # of 10,980 columns
    assert len(drawn.body()) < 100_000
    page.focus(".maplibregl-canvas")
    before = test_page.fields_of(page)["map"]
    page.keyboard.press("ArrowRight")
    page.wait_for_function("before => !location.hash.includes(before)", arg=before)
    settle(page)
    assert [answer for answer in asked if "png" in answer.url] == [drawn]
    page.evaluate("document.activeElement.blur()")  # and the cross in the middle goes


def test_what_lies_beyond_the_antimeridian_is_drawn_at_the_maps_other_end(page, store):
    places = [at(store, FAR_EAST, 100, column) for column in (100, 1500)]
    found = []
    for lon, lat in places:
        show(page, link(FAR_EAST, ((lon + 180) % 360 - 180, lat), 12, "classes"))
        found.append(colour(page, (lon + 180) % 360 - 180, lat))
    assert found == [TREES, WATER]


def test_a_cube_beyond_the_antimeridian_is_opened_where_its_data_lie(page, store):
    page.keyboard.press("Escape")
    page.click(f"[data-path='{FAR_EAST}']")
    settle(page)
    lon, lat = at(store, FAR_EAST, 1024, 500)
    assert colour(page, (lon + 180) % 360 - 180, lat) == TREES


def test_an_embedding_is_drawn_as_the_service_colours_its_chips(page, store, root, plain):
    middle = at(store, COVER, 1024, 1024)
    pictures = []
    for model in ("first", "second"):
        show(page, link(COVER, middle, 9.6, f"embedding-{model}"))
        expect(page.locator("#status")).to_have_attribute("data-from", "embedding")
        picture = image_of(page)
        png = httpx.get(f"{root}/embedding/{COVER}/0.png", params={"model": model}).content
        colours = test_page.rgb(png)
        for row, column in np.ndindex(8, 8):
            place = at(store, COVER, 256 * row + 128, 256 * column + 128)
            x, y = (int(number) for number in on_screen(page, *place))
            assert picture[y, x].tolist() == colours[row, column].tolist()
        pictures.append(picture)
        names = {}
        exec(page.inner_text("#python").replace(plain, root), names)  # noqa: S102 - what the reader would do
        cube = store.cube("31UDQ", "esa-worldcover")
        same = embeddings.read(cube, f"embedding_{model}", [0]).values[0]
        np.testing.assert_array_equal(names["shown"].values, same)
    assert (pictures[0] != pictures[1]).any()


def test_the_last_chips_of_an_embedding_reach_beyond_the_tile(page, store, root):
    place = at(store, COVER, 10740, 10740)  # in the last chip but one, near its edge
    show(page, link(COVER, place, 12, "embedding-first").replace("slot=0", "slot=1"))
    png = httpx.get(f"{root}/embedding/{COVER}/1.png", params={"model": "first"}).content
    assert colour(page, *place) == tuple(test_page.rgb(png)[-2, -2].tolist())


def test_a_view_that_was_not_computed_for_a_slot_is_grey_and_stepped_over(page, store):
    middle = at(store, COVER, 1024, 1024)
    show(page, link(COVER, middle, 12, "classes").replace("slot=0", "slot=2"))
    expect(page.get_by_role("radio", name="Embedding first")).to_be_disabled()
    show(page, link(COVER, middle, 12, "embedding-first").replace("slot=0", "slot=2"))
    expect(page.locator("#status")).to_contain_text("No embeddings of first were computed")
    expect(page.locator("#bars i.out")).to_have_count(1)
    page.click("#earlier")
    settle(page)
    expect(page.locator("#status")).to_have_text("Drawn by the service from the cube's embeddings")
    expect(page.get_by_role("button", name="Later slot")).to_be_disabled()


def test_chips_that_look_alike_are_searched_by_the_model_that_is_chosen(page, store):
    show(page, link(COVER, at(store, COVER, 1024, 1024), 12, "classes"))
    page.mouse.click(660, 300)
    expect(page.locator("#series td").first).to_have_text("Tree cover")
    expect(page.locator("#chips button")).to_have_count(10)
    first = page.locator("#chips").inner_text()
    expect(page.locator("#model")).to_have_value("first")
    page.select_option("#model", "second")
    expect(page.locator("#chips")).not_to_have_text(first, use_inner_text=True)
    expect(page.locator("#chips button")).to_have_count(10)
    assert test_page.fields_of(page)["model"] == "second"


def test_the_slider_steps_over_slots_that_the_filters_leave_out(page):
    page.keyboard.press("Escape")
    page.fill("#cloud", "40")
    page.click(f"[data-path='{COVER}']")
    expect(page.locator("#slot-label")).to_contain_text("2024-02-10")  # the latest that passes
    expect(page.locator("#passing")).to_have_text("2 of 3 can be shown")
    expect(page.locator("#bars i.out")).to_have_count(1)
    page.focus("#slot")
    page.keyboard.press("End")
    expect(page.locator("#slot-label")).to_contain_text("2024-02-10")
    expect(page.get_by_role("button", name="Later slot")).to_be_disabled()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#slot-label")).to_contain_text("2024-01-10")
    settle(page)
    page.keyboard.press("Escape")
    page.fill("#cloud", "100")


def test_antarctica_is_land_to_the_pole(page):
    page.keyboard.press("Escape")
    page.evaluate("location.hash = 'map=0,-75,0.8'")
    page.wait_for_timeout(500)
    picture = image_of(page)
    land, sea = [244, 242, 236], [221, 230, 232]
    for lon, lat, expected in ((-78.3, -82.7, land), (93.3, -76.4, land), (-104.7, -62.4, sea)):
        column, row = (int(number) for number in on_screen(page, lon, lat))
        assert picture[row, column].tolist() == expected


def test_without_a_clipboard_the_python_is_selected(page, store):
    show(page, link(COVER, at(store, COVER, 1024, 1024), 12, "classes"))
    page.click("#copy")
    expect(page.locator("#copy")).to_have_text("Selected: copy it now")
    selected = page.evaluate("getSelection().toString()")
    assert selected.strip() == page.inner_text("#python").strip()
    assert "xr.open_zarr" in selected
