"""The page in a real browser: it draws the cube's numbers, and asks nobody but its host."""

import asyncio
import io
import math
import re
import shutil
import subprocess
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import httpx
import numpy as np
import pyproj
import pytest
from PIL import Image
from playwright.sync_api import expect

import cubestore
import cubestore_catalog
from cubestore import embeddings
from cubestore_catalog import service
from cubestore_catalog.views import colormaps, similar
from tests.catalog.conftest import RCF, collection, serving

SITE = Path(cubestore_catalog.__file__).parent / "site"
S2, S1, MODIS = "mgrs/31UDQ/sentinel-2-l2a", "mgrs/31UDQ/sentinel-1-rtc", "sin/h18v04/modis-09a1"
DATES = {S2: ("01-10", "04-02", "07-21"), S1: ("02-02",), MODIS: ("03-05",)}
CORNER = {S2: 10240, S1: 10240, MODIS: 2048}
"""Row and column of the last shard, which is small."""

WIDE, PHONE = {"width": 960, "height": 640}, {"width": 360, "height": 740}
PANEL = 388
"""Pixels left of the map where the window is wide."""


# A store of three cubes, a service of it, a browser.


def fields(side, bands, slot):
    """Fields of eight pixels, another pattern in every band and slot."""
    y, x = np.mgrid[:side, :side] // 8
    return np.stack([(7 * x + 11 * y + 5 * b + 13 * slot) % 29 / 100 + 0.01 for b in range(bands)])


def stored(array, side, slot):
    bands = array.shape[1] if "band" in array.dims else 1
    values = fields(side, bands, slot)
    match array.name:
        case "reflectance":
            values = np.round(values / 1e-4)
        case "backscatter":
            pass
        case "cloud_class":
            values = np.full((1, side, side), slot % 2)
        case _:
            values = np.full((1, side, side), 4)
    values[:, :30, :30] = array.fill
    return (values if "band" in array.dims else values[0]).astype(array.dtype)


def append(cube, path, slot, **told):
    with cube.write() as writer:
        arrays = [array for array in writer.arrays.values() if array.shards]
        side = arrays[0].shape[-1] - CORNER[path]
    pixels = {array.name: stored(array, side, slot) for array in arrays}
    cube.append(cubestore.Slot(**told), pixels, origin=(CORNER[path], CORNER[path]))


def taken(path):
    """When the slots of a cube were taken, and how cloudy they are."""
    clouds = (0.0, 30.0, 60.0) if path == S2 else (None,)
    return [(f"2024-{date}T10:50:31Z", c) for date, c in zip(DATES[path], clouds, strict=True)]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    made = cubestore.create_store(tmp_path_factory.mktemp("page") / "store")
    for path in DATES:
        cube = made.create_cube(*path.split("/")[1:])
        for slot, (time, cloud) in enumerate(taken(path)):
            told = {} if cloud is None else {"cloud_cover": cloud}
            append(cube, path, slot, time=time, item_id=f"item-{slot}", platform="any", **told)
    cube = made.cube("31UDQ", "sentinel-2-l2a")
    vectors = np.full((43, 43, 8), np.nan, "float32")
    vectors[40:, 40:] = np.random.default_rng(0).normal(size=(3, 3, 8))
    with embeddings.write(cube, RCF) as writer:
        for slot in range(3):
            writer.fill(slot, vectors + slot, commit=cube.slot_commits()[slot])
    return made


def listed(path, box, slots):
    w, s, e, n = box
    _, tile, sensor = path.split("/")
    told = [
        {"slot": number, "datetime": time, "item_id": f"item-{number}", "cloud_cover": cloud}
        for number, (time, cloud) in enumerate(slots)
    ]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": f"{tile}-{sensor}",
        "collection": sensor,
        "bbox": box,
        "geometry": {"type": "Polygon", "coordinates": [[[w, s], [e, s], [e, n], [w, n], [w, s]]]},
        "properties": {
            "datetime": None,
            "start_datetime": slots[0][0],
            "end_datetime": slots[-1][0],
            "cubestore:path": path,
            "cubestore:tile": tile,
            "cubestore:sensor": sensor,
            "cubestore:models": ["rcf"] if path == S2 else [],
            "cubestore:slots": told,
        },
        "links": [],
        "assets": {},
    }


def three(_):
    boxes = {S2: [1.6, 48.7, 3.1, 49.7], S1: [1.6, 48.7, 3.1, 49.7], MODIS: [0, 40, 15.6, 50]}
    items = [listed(path, box, taken(path)) for path, box in boxes.items()]
    return items, [collection(item["collection"]) for item in items]


def thousands(_):
    items = []
    for number in range(2000):
        w, s = -175 + number % 80 * 4.3, -55 + number // 80 * 5
        path = f"mgrs/T{number:04}/sentinel-2-l2a"
        slots = [("2024-03-05T00:00:00Z", number % 100)]
        items.append(listed(path, [w, s, w + 1.4, s + 1], slots))
    return items, [collection("sentinel-2-l2a")]


@pytest.fixture(scope="module")
def pace():
    """Seconds that the service waits before it answers with a part of a shard."""
    return [0.0]


@pytest.fixture(scope="module")
def root(store, pace):
    similar.get_ready().join()  # a busy machine may be at it for as long as a request has
    with serving(paced(service(store.path, load=three), pace)) as address:
        yield address


def paced(app, pace):
    async def later(scope, receive, send):
        if "/reflectance/c/" in scope["path"]:
            await asyncio.sleep(pace[0])
        await app(scope, receive, send)

    return later


@contextmanager
def opened(browser, root, hash_="", **context):
    """A page that has settled; what it asks elsewhere, or complains of, fails the test."""
    calm = {"viewport": WIDE, "reduced_motion": "reduce"}  # a flight is a hundred frames
    page = browser.new_page(**{**calm, **context})
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda m: wrong.append(m.text) if "Content Security" in m.text else None)
    page.goto(f"{root}/browse/{hash_}")
    page.wait_for_selector("body[data-state=ready], body[data-state=failed]")
    yield page
    strangers = [url for url in asked if not url.startswith((f"{root}/", "blob:", "data:"))]
    assert (strangers, wrong) == ([], [])
    page.close()


@pytest.fixture(scope="module")
def page(browser, root):
    with opened(browser, root) as one:
        yield one


def settle(page):
    page.wait_for_selector("#status[data-state=ready]")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def show(page, hash_):
    """Follow a link, as somebody does who was sent it."""
    page.evaluate("document.getElementById('status').dataset.state = 'asked'")
    page.evaluate("hash => { location.hash = hash }", hash_)
    settle(page)


def image_of(page):
    return rgb(page.screenshot())


def rgb(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def fields_of(page):
    """The parts of the address that keep what is shown."""
    hash_ = page.evaluate("location.hash").removeprefix("#")
    return dict(part.split("=", 1) for part in hash_.split("&"))


def mercator(lon, lat):
    y = np.log(np.tan(np.pi / 4 + np.radians(lat) / 2))
    return (np.asarray(lon) + 180) / 360, (1 - y / np.pi) / 2


def on_screen(page, lon, lat):
    """Where on the picture of the page a place of the Earth is drawn: column, row."""
    *centre, zoom = map(float, fields_of(page)["map"].split(","))
    size = page.viewport_size
    world = 512 * 2**zoom
    (x, y), (x0, y0) = mercator(lon, lat), mercator(*centre)
    middle = (PANEL + size["width"]) / 2, size["height"] / 2
    return (x - x0) * world + middle[0], (y - y0) * world + middle[1]


def link(store, path, zoom, view):
    """A link to the middle of a cube's data."""
    data = opened_cube(store, path)
    middle = (data.sizes["y"] + CORNER[path]) // 2
    lon, lat = lon_lat(data, data.x.values[middle], data.y.values[middle])
    return f"cube={path}&slot=0&view={view}&map={lon:.6f},{lat:.6f},{zoom}"


@cache
def opened_cube(store, path):
    return store.cube(*path.split("/")[1:]).open()


def lon_lat(data, x, y):
    return to_degrees(data.spatial_ref.attrs["crs_wkt"]).transform(x, y)


@cache
def to_degrees(wkt):
    return pyproj.Transformer.from_crs(pyproj.CRS.from_wkt(wkt), "EPSG:4326", always_xy=True)


# What is drawn.


def bright(values, ranges):
    shares = [(v - low) / (high - low) for v, (low, high) in zip(values, ranges, strict=True)]
    return np.moveaxis(np.round(np.clip(shares, 0, 1) * 255), 0, -1)


def natural(values):
    return bright(values, [(0, 0.3)] * 3)


def radar(values):
    vv, vh = values
    return bright([vv, vh, vv], [(0, 0.3), (0, 0.08), (0, 0.3)])


def greenness(values):
    nir, red = values
    return colormaps.ramped(((nir - red) / (nir + red) + 1) / 2, "rdylgn")


@pytest.mark.parametrize(
    ("path", "view", "zoom", "bands", "colours"),
    [
        (S2, "true-colour", 15, ["B04", "B03", "B02"], natural),
        (S2, "false-colour", 15, ["B08", "B04", "B03"], natural),
        (S2, "ndvi", 15.3, ["B08", "B04"], greenness),
        (S1, "vv-vh", 14.8, ["vv", "vh"], radar),
        # Another projection, and pixels that are leaning on the map.
        (MODIS, "true-colour", 9.6, ["sur_refl_b01", "sur_refl_b04", "sur_refl_b03"], natural),
    ],
)
def test_a_drawn_pixel_is_the_cubes_and_the_snippet_opens_it(
    page, store, path, view, zoom, bands, colours
):
    show(page, link(store, path, zoom, view))
    expect(page.locator("#status")).to_have_attribute("data-from", "zarr")
    picture = image_of(page)

    names = {}
    exec(page.inner_text("#python"), names)  # noqa: S102 - what the reader would do
    shown = names["shown"].transpose("band", "y", "x").load()
    cube = opened_cube(store, path)
    variable = "backscatter" if path == S1 else "reflectance"
    same = cube[variable].isel(time=0).sel(band=bands, x=shown.x, y=shown.y)
    assert shown.band.values.tolist() == bands
    np.testing.assert_allclose(shown.values, same.values, rtol=1e-6)

    x, y = np.meshgrid(shown.x.values[2:-2:3], shown.y.values[2:-2:3])
    column, row = on_screen(page, *lon_lat(cube, x, y))
    free = (
        (column > PANEL + 8) & (column < 900) & (row > 60) & (row < 460)
    )  # of what lies on the map
    assert free.sum() > 200
    drawn = picture[np.floor(row[free]).astype(int), np.floor(column[free]).astype(int)]
    values = shown.values[:, 2:-2:3, 2:-2:3][:, free]
    known = np.isfinite(values).all(axis=0)
    assert (
        np.abs(drawn - colours(values))[known].max() <= 1
    )  # a half is rounded one way or the other
    assert len(np.unique(drawn, axis=0)) > 10


def test_nothing_is_drawn_where_there_is_no_data(page, store):
    data = opened_cube(store, S2)
    lon, lat = lon_lat(data, data.x.values[10255], data.y.values[10255])
    show(page, f"cube={S2}&slot=0&map={lon:.6f},{lat:.6f},15")
    picture = image_of(page)
    column, row = (math.floor(number) for number in on_screen(page, lon, lat))
    sea_or_land = [[244, 242, 236], [221, 230, 232]]
    assert picture[row, column].tolist() in sea_or_land


def test_other_limits_are_other_colours_and_stay_in_the_link(page, store):
    show(page, link(store, S2, 15, "true-colour"))
    before = image_of(page)
    page.fill("#high", "0.6")
    page.press("#high", "Enter")
    settle(page)
    assert fields_of(page)["range"] == "0,0.6"
    part = np.s_[100:400, 450:850]
    assert abs(image_of(page)[part].mean() / before[part].mean() - 0.5) < 0.02


# Through time, and places.


def test_the_keyboard_goes_through_time(page, store):
    show(page, link(store, S2, 15, "true-colour"))
    first = image_of(page)
    page.focus("#slot")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#slot-label")).to_contain_text("2024-04-02 10:50 UTC")
    expect(page.locator("#slot")).to_have_attribute(
        "aria-valuetext", "2024-04-02 10:50 UTC · 30 % cloud, 2 of 3"
    )
    settle(page)
    assert fields_of(page)["slot"] == "1"
    assert (image_of(page) != first).any(axis=-1)[100:400, 450:850].mean() > 0.5
    page.keyboard.press("End")
    expect(page.get_by_role("button", name="Later slot")).to_be_disabled()


def test_a_place_has_a_series_and_chips_that_look_alike(page, store):
    show(page, link(store, S2, 15, "ndvi"))
    page.mouse.click(660, 300)
    page.wait_for_selector("#series svg")
    lon, lat = map(float, fields_of(page)["place"].split(","))
    page.click("#series summary")
    told = [float(cell) for cell in page.locator("#series td").all_inner_texts()]
    cube = opened_cube(store, S2)
    wkt = cube.spatial_ref.attrs["crs_wkt"]
    x, y = to_degrees(wkt).transform(lon, lat, direction="INVERSE")
    there = cube.reflectance.sel(x=x, y=y, method="nearest")
    nir, red = there.sel(band="B08").values, there.sel(band="B04").values
    np.testing.assert_allclose(told, (nir - red) / (nir + red), rtol=1e-3)

    chips = page.locator("#chips button")
    expect(chips).to_have_count(10, timeout=30_000)  # the first search opens all vectors
    page.wait_for_function(
        "[...document.querySelectorAll('#chips img')].every(i => i.naturalWidth)"
    )
    before = fields_of(page)["map"]
    chips.nth(4).click()
    page.wait_for_function("before => !location.hash.includes(before)", arg=before)
    page.keyboard.press("Escape")
    expect(page.locator("#cube")).to_be_hidden()


def test_a_click_where_cubes_lie_above_one_another_lists_them(page):
    page.evaluate("location.hash = 'map=2.3,49.2,7'")
    page.wait_for_timeout(300)
    page.mouse.click(674, 320)
    expect(page.locator("#count")).to_have_text("3 cubes at this place")
    page.click("#everything")
    expect(page.locator("#count")).to_have_text("3 cubes")


def test_a_click_beyond_the_open_cube_lists_those_that_lie_there(page):
    show(page, f"cube={MODIS}&slot=0&map=2.3,50.5,5.2")
    page.mouse.click(674, 320)  # on nothing: the cube stays
    expect(page).to_have_title("h18v04 modis-09a1 · cubestore")
    show(page, f"cube={S1}&slot=0&map=2.3,48.4,9")
    page.mouse.click(674, 320)  # on MODIS alone, which is opened
    expect(page).to_have_title("h18v04 modis-09a1 · cubestore")
    show(page, f"cube={S1}&slot=0&map=2.3,49.68,11")
    page.mouse.click(674, 320)  # beside the tile, and in the boxes of all
    expect(page.locator("#count")).to_have_text("3 cubes at this place")
    page.click("#everything")


def test_everything_is_done_by_the_keyboard(page):
    page.evaluate("location.hash = 'map=2.5,49.2,6'")
    press = page.keyboard.press
    page.focus("#tile")
    page.keyboard.type("31u")
    expect(page.locator("#count")).to_have_text("2 of 3 cubes")
    page.focus("#cubes li:last-child button")  # by Tab, past the other filters
    assert page.locator("#cubes li:last-child").inner_text().startswith("31UDQ\nsentinel-2-l2a")
    press("Enter")
    settle(page)
    expect(page).to_have_title("31UDQ sentinel-2-l2a · cubestore")

    page.focus("#views input:checked")
    press("ArrowRight")
    settle(page)
    expect(page.get_by_role("radio", name="False colour")).to_be_focused()
    assert fields_of(page)["view"] == "false-colour"

    page.focus(".maplibregl-canvas")
    expect(page.locator(".cross")).to_be_visible()
    press("Enter")
    series = page.get_by_role("slider", name="reflectance")
    series.focus()
    press("Home")
    read = series.get_attribute("aria-valuetext")
    assert re.fullmatch(r"2024-01-10 · B08 0\.\d+, B04 0\.\d+, B03 0\.\d+", read)
    expect(page.locator(".reading")).to_have_text(read)
    press("ArrowRight")
    expect(page.locator(".reading")).to_have_text(re.compile("2024-04-02 .* cloud or shadow"))
    press("Enter")
    expect(page.locator("#slot-label")).to_contain_text("2024-04-02")
    expect(page.get_by_role("slider", name="reflectance")).to_be_focused()

    expect(page.locator("#chips button")).to_have_count(10)
    page.focus("#chips li:nth-child(2) button")
    before = fields_of(page)["map"]
    press("Enter")
    page.wait_for_function("before => !location.hash.includes(before)", arg=before)
    press("Escape")
    expect(page.locator("#count")).to_be_focused()
    page.fill("#tile", "")


SAME = 1e-6
"""A distance that a chip has from itself."""


def test_a_chip_says_when_it_was_and_how_far_it_is(page, store, root):
    show(page, link(store, S2, 15, "true-colour"))
    page.mouse.click(660, 300)
    expect(page.locator("#chips button")).to_have_count(10)
    lon, lat = fields_of(page)["place"].split(",")
    where = {"lon": lon, "lat": lat, "time": "2024-01-10"}  # the slot that is shown, not the last
    asked = {**where, "k": 10, "model": "rcf", "sensor": "sentinel-2-l2a"}
    found = httpx.get(f"{root}/search/similar", params=asked).json()["features"]
    told = [(f["properties"]["datetime"][:10], f["properties"]["distance"]) for f in found]
    words = [f"{date}\n{far:.3f}" if far > SAME else f"{date}\nsame" for date, far in told]
    assert page.locator("#chips small").all_inner_texts() == words
    assert words[0] == "2024-01-10\nsame"


def test_the_browsers_own_way_back_leads_to_the_list(page):
    page.keyboard.press("Escape")
    page.evaluate("location.hash = 'map=2.5,49.2,6'")
    page.click(f"[data-path='{S1}']")
    settle(page)
    page.go_back()
    expect(page.locator("#browse")).to_be_visible()
    expect(page.locator("#timeline")).to_be_hidden()


def test_the_browsers_own_way_back_opens_what_was_closed(page, store):
    show(page, link(store, S2, 15, "ndvi"))
    page.keyboard.press("Escape")
    expect(page.locator("#browse")).to_be_visible()
    page.go_back()
    settle(page)
    expect(page).to_have_title("31UDQ sentinel-2-l2a · cubestore")
    assert fields_of(page)["view"] == "ndvi"


def test_of_two_cubes_that_are_opened_at_once_the_later_stays(page):
    page.keyboard.press("Escape")
    held = []
    page.route("**/modis-09a1/zarr.json", lambda route: held.append(route))  # noqa: PLW0108 - playwright marks it
    page.click(f"[data-path='{MODIS}']")
    page.click(f"[data-path='{S1}']")
    settle(page)
    held.pop().continue_()
    page.wait_for_timeout(300)
    page.unroute("**/modis-09a1/zarr.json")
    expect(page).to_have_title("31UDQ sentinel-1-rtc · cubestore")
    assert fields_of(page)["cube"] == S1


@pytest.mark.parametrize("nonsense", ["map=2,95,3", "range=0.3,0", "place=500,2", "slot=-1"])
def test_what_makes_no_sense_in_a_link_is_left_out(page, nonsense):
    show(page, f"cube={S2}&{nonsense}")
    expect(page.locator("#status")).to_have_attribute("data-from", "zarr")
    assert nonsense not in page.evaluate("location.hash")


# When things go wrong.


def test_a_service_that_is_silent_is_told_of_and_asked_again(page, store):
    show(page, link(store, S2, 15, "true-colour"))
    before = image_of(page)
    page.context.set_offline(True)
    page.click("#later")
    status = page.locator("#status[data-state=error]")
    expect(status).to_contain_text("is `cubestore serve` still running?")
    assert (image_of(page) != before).any(axis=-1)[
        100:400, 450:850
    ].mean() > 0.5  # not the old date
    page.context.set_offline(False)
    page.click("#earlier")
    settle(page)
    page.context.set_offline(True)
    page.click("#later")
    status.wait_for()
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    settle(page)
    expect(page.locator("#retry")).to_be_hidden()


def test_what_is_drawn_outlives_the_loss_of_the_browsers_graphics(page, store):
    show(page, link(store, S2, 15, "ndvi"))
    before = image_of(page)
    lost = """() => {
        const canvas = document.querySelector(".maplibregl-canvas");
        const lose = canvas.getContext("webgl2").getExtension("WEBGL_lose_context");
        const back = new Promise(done => canvas.addEventListener("webglcontextrestored", done));
        const restore = () => setTimeout(() => lose.restoreContext(), 50);
        canvas.addEventListener("webglcontextlost", restore);
        document.getElementById("status").dataset.state = "lost";
        lose.loseContext();
        return back.then(() => undefined);
    }"""
    page.evaluate(lost)
    settle(page)
    part = np.s_[100:400, 450:850]
    for _ in range(20):  # lines are cut into tiles first
        if same := (image_of(page)[part] == before[part]).all():
            break
        page.wait_for_timeout(100)
    assert same


def test_a_slider_that_moves_on_gives_up_what_it_asked_for(page, store, pace):
    page.reload()  # so that no chunk is known
    show(page, link(store, S2, 15, "true-colour"))
    given_up = []
    page.on("requestfailed", lambda request: given_up.append(request.url))
    pace[0] = 0.5
    page.click("#later")
    expect(page.locator("#status")).to_have_text(re.compile(r"Reading \d+ of \d+ chunks"))
    expect(page.locator("#progress")).to_be_visible()
    page.wait_for_timeout(700)  # beyond the shard's index, whose reading is not given up
    page.click("#later")
    page.wait_for_timeout(700)
    pace[0] = 0.0
    settle(page)
    expect(page.locator("#progress")).to_be_hidden()
    assert fields_of(page)["slot"] == "2"
    assert any("/reflectance/c/1/" in url for url in given_up)
    assert not any("/reflectance/c/2/" in url for url in given_up)


# The list and its filters.


@pytest.mark.parametrize(
    ("act", "left"),
    [
        (lambda page: page.check("input[value=modis-09a1]", force=True), "1 of 3 cubes"),
        (lambda page: page.fill("#from", "2024-04-01"), "1 of 3 cubes"),
        (lambda page: page.fill("#to", "2024-02-01"), "1 of 3 cubes"),
        # Its clear slot was taken before, its later ones are cloudy.
        (
            lambda page: (page.fill("#from", "2024-04-01"), page.fill("#cloud", "20")),
            "0 of 3 cubes",
        ),
    ],
    ids=["sensor", "from", "to", "cloud"],
)
def test_a_filter_leaves_out_cubes(page, act, left):
    page.evaluate("location.hash = 'map=2,48,4'")
    expect(page.locator("#browse")).to_be_visible()
    act(page)
    expect(page.locator("#count")).to_have_text(left)
    page.click("#everything")
    expect(page.locator("#count")).to_have_text("3 cubes")


def test_a_link_to_a_cube_that_is_not_there_says_so_until_another_is_opened(page, store):
    page.evaluate("location.hash = 'cube=mgrs/31UDQ/landsat-c2-l2'")
    expect(page.locator("#failure")).to_contain_text("There is no file")
    expect(page.locator("#browse")).to_be_visible()
    show(page, link(store, S1, 15, "vv-vh"))
    expect(page.locator("#failure")).to_be_hidden()


def test_a_new_tab_for_a_cube_that_is_not_there_lists_those_that_are(browser, root):
    with opened(browser, root, "#cube=mgrs/31UDQ/landsat-c2-l2") as page:
        expect(page.locator("#failure")).to_contain_text("There is no file")
        expect(page.locator("#cubes li")).to_have_count(3)


# Other stores, other screens.


def test_an_empty_store_tells_what_to_do(browser, tmp_path):
    cubestore.create_store(tmp_path / "store")
    with serving(service(tmp_path / "store")) as root, opened(browser, root) as page:
        expect(page.locator("#empty")).to_contain_text("cubestore build STORE")
        expect(page.locator("#browse")).to_be_hidden()


def test_on_a_telephone_a_place_that_is_asked_about_comes_into_view(browser, root, store):
    hash_ = f"#{link(store, S2, 15, 'true-colour')}"
    with opened(browser, root, hash_, viewport=PHONE) as page:
        settle(page)
        page.mouse.click(180, 120)
        page.wait_for_selector("#series svg")
        expect(page.locator("#place-title")).to_be_in_viewport()
        expect(page.locator(".reading")).to_be_in_viewport()


def test_two_thousand_cubes_on_a_dark_telephone(browser, store):
    elsewhere = "https://maps.example/cubes"  # in links: the page asks the host that it came from
    with (
        serving(service(store.path, load=thousands, url=elsewhere)) as root,
        opened(browser, root, viewport=PHONE, color_scheme="dark") as page,
    ):
        expect(page.locator("#count")).to_have_text("2000 cubes")
        expect(page.locator("#cubes li")).to_have_count(100)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.press("#more", "Enter")
        expect(page.locator("#cubes li")).to_have_count(200)
        expect(page.locator("#cubes li:nth-child(101) button")).to_be_focused()
        for _ in range(50):  # the land and the footprints are drawn when they are ready
            picture = image_of(page)
            green = picture[..., 1] - picture[..., 0] > 25
            if green[:400].mean() > 0.02:
                break
            page.wait_for_timeout(100)
        else:
            pytest.fail("No footprints are drawn")
        assert np.median(picture.sum(axis=-1)) < 150
        top = page.locator("#panel").bounding_box()["y"]
        page.press("#sheet", "Enter")
        assert page.locator("#panel").bounding_box()["y"] < top


def test_a_slot_that_was_committed_since_is_shown_when_it_is_chosen(page, store):
    show(page, link(store, S1, 15.5, "vv-vh"))
    cube = store.cube("31UDQ", "sentinel-1-rtc")
    append(cube, S1, 1, time="2024-05-05T10:50:31Z", item_id="late", platform="any")
    page.mouse.click(660, 300)
    series = page.get_by_role("slider", name="backscatter")
    series.focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page.locator("#slot-label")).to_contain_text("2024-05-05")
    settle(page)
    assert fields_of(page)["slot"] == "1"


# Colours.

STYLE = (SITE / "source" / "src" / "page.css").read_text()


def inks(dark):
    """The colours of the style sheet, by name."""
    schemes = STYLE.split("@media (prefers-color-scheme: dark)", 1)
    found = {}
    for text in schemes[: 1 + dark]:
        block = text.split("}", 1)[0]
        found |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    return found


def luminance(ink):
    parts = np.array([int(ink[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "paper", "least"),
    [
        ("ink", "paper", 4.5),  # WCAG 2.2, 1.4.3: text
        ("soft", "paper", 4.5),
        ("soft", "raised", 4.5),
        ("accent", "paper", 4.5),
        ("warn", "paper", 4.5),
        ("map-name", "map-land", 4.5),
        ("edge", "raised", 3),  # 1.4.11: what shows where a control is
        ("edge", "paper", 3),
        ("accent", "raised", 3),
        ("map-accent", "map-land", 3),  # footprints
        ("map-accent", "map-sea", 3),
        ("map-chip", "map-land", 3),
        ("red", "paper", 3),  # curves
        ("green", "paper", 3),
        ("blue", "paper", 3),
    ],
)
def test_colours_can_be_told_apart(dark, ink, paper, least):
    named = inks(dark)
    light, deep = sorted((luminance(named[ink]), luminance(named[paper])), reverse=True)
    assert (light + 0.05) / (deep + 0.05) >= least


# The files.


def test_the_page_may_ask_its_host_alone(root):
    policy = httpx.get(f"{root}/browse/").headers["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'self'"
    assert "http" not in policy


NO_REGISTRY = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH")
"""What npm says where its registry is not reached; whatever else it says is a fault of ours."""


def install(npm, source):
    quiet = ["--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts", "--fetch-retries=0"]
    done = subprocess.run(
        [npm, "ci", *quiet], cwd=source, capture_output=True, text=True, check=False
    )
    if any(f"code {code}" in done.stderr for code in NO_REGISTRY):
        pytest.skip("needs a registry of npm packages")
    assert done.returncode == 0, done.stderr


def test_the_built_page_is_what_its_source_builds(tmp_path):
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm")
    source = tmp_path / "source"
    shutil.copytree(SITE / "source", source, ignore=shutil.ignore_patterns("node_modules"))
    install(npm, source)
    subprocess.run([npm, "run", "build", "--", "../built"], cwd=source, check=True)
    built = {p.relative_to(SITE / "built"): p for p in (SITE / "built").rglob("*") if p.is_file()}
    again = {
        p.relative_to(tmp_path / "built"): p for p in (tmp_path / "built").rglob("*") if p.is_file()
    }
    assert built.keys() == again.keys()
    assert [name for name in built if built[name].read_bytes() != again[name].read_bytes()] == []
