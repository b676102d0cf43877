"""Adjusted reflectance: against the outputs of HLS's own code and of sen2nbar, and never in haste.

The tables are what those programs print, not what they contain: sen2nbar 0.1.0 (commit 2de9576)
and rtls.c with modis_brdf_coeff.h of NASA-IMPACT/hls-sentinel (commit 87422a7) agree on them to
1e-8. The relative azimuth of the reference is its view's less its sun's.
"""

import pickle

import numpy as np
import pytest
import xarray as xr

import cubestore
from cubestore import adjust
from cubestore.errors import AdjustmentError

BANDS = ["blue", "green", "red", "rededge071", "rededge075", "rededge078", "nir", "swir16"]
BANDS += ["swir22"]

# Sun zenith to normalise to, that of the scene, view zenith, relative azimuth: both kernels.
KERNELS = [
    (30.0, 30.0, 0.0, 0.0, -0.03144290, -0.69822247),
    (35.0, 35.0, 7.5, 120.0, -0.05695939, -0.92553578),
    (52.5, 52.5, 11.2, -85.5, -0.03550860, -1.31450079),
    (62.0, 62.0, 8.9, 15.0, 0.02656940, -1.42199546),  # towards the hot spot
    (20.25, 20.25, 10.0, 180.0, -0.05497077, -0.69302661),  # away from it
    (45.0, 38.0, 9.5, -160.0, -0.08485141, -1.10312247),  # another sun asked for
    (30.0, 55.0, 4.2, 100.0, -0.04549181, -1.38117463),
]
FACTORS = """
1.00000000 1.00000000 1.00000000 1.00000000 1.00000000 1.00000000 1.00000000 1.00000000 1.00000000
1.02176165 1.02562061 1.02283252 1.02280220 1.02278688 1.02278490 1.02274868 1.02244626 1.02202169
0.99434183 0.99426382 0.99548776 0.99489522 0.99465004 0.99440941 0.99410477 0.99555234 0.99648962
0.95271909 0.94631925 0.95368715 0.95235084 0.95180698 0.95125495 0.95061347 0.95446898 0.95741249
1.04631783 1.05497805 1.04961792 1.04910751 1.04888709 1.04869867 1.04838110 1.04879637 1.04853069
1.02168817 1.02070463 1.01548706 1.01848729 1.01974209 1.02097609 1.02256061 1.01529432 1.01078777
1.09133130 1.12547704 1.12077823 1.11028318 1.10591867 1.10175657 1.09618329 1.11831753 1.13048015
"""
EXPECTED = np.array(FACTORS.split(), float).reshape(-1, 9)

# MSI 1, 2, 3, 4, 8A, 11, 12: hls.gsfc.nasa.gov/algorithms/bandpass-adjustment (the table of the
# User Guides v1.4 and v2.0), and for 2C the file that HLS itself reads.
OLI_BANDS = ["coastal", "blue", "green", "red", "nir08", "swir16", "swir22"]
LINES = {
    "sentinel-2a": """0.9959 -0.0002  0.9778 -0.004   1.0053 -0.0009  0.9765 0.0009
                      0.9983 -0.0001  0.9987 -0.0011  1.003 -0.0012""",
    "sentinel-2b": """0.9959 -0.0002  0.9778 -0.004   1.0075 -0.0008  0.9761 0.001
                      0.9966 0.000    1.000 -0.0003   0.9867 0.0004""",
    "sentinel-2c": """1.003 -0.0       0.9851 -0.0027  1.0038 -0.0009  0.9718 0.0011
                      0.9995 -0.0003  0.9994 -0.0007  0.991 0.0004""",
}


def slot(sun, view, between):
    return {
        "sun_elevation": 90.0 - sun,
        "sun_azimuth": 160.0,
        "view_zenith": view,
        "view_azimuth": (160.0 + between) % 360,
        "platform": "sentinel-2a",
    }


@pytest.fixture(scope="module")
def store(tmp_path_factory, append):
    store = cubestore.create_store(tmp_path_factory.mktemp("adjust") / "store")
    s2 = store.create_cube("31UDQ", "sentinel-2-l2a", bands=["B01", "B02", "B04", "B08", "B8A"])
    platforms = ["sentinel-2a", "sentinel-2b", "sentinel-2c"]
    for k, (platform, row) in enumerate(zip(platforms, KERNELS[1:], strict=False)):
        append(s2, f"2024-01-0{k + 1}", f"s{k}", seed=k, **slot(*row[1:4]) | {"platform": platform})
    landsat = store.create_cube("31UDQ", "landsat-c2-l2")
    known = {"sun_elevation": 40.0, "view_zenith": 0.0}  # and no azimuth
    append(landsat, "2024-01-01", "l0", platform="landsat-9", **known)
    append(landsat, "2024-01-02", "l1", platform="landsat-9")
    return store


@pytest.fixture
def s2(store):
    return store.cube("31UDQ", "sentinel-2-l2a").open()


@pytest.fixture
def landsat(store):
    return store.cube("31UDQ", "landsat-c2-l2").open()


def corner(dataset):
    return dataset.isel(y=slice(-160, None), x=slice(-120, None))


def cube_of(common_names, slots):
    """A cube's dataset in memory: reflectance 1, of any bands and angles."""
    shape = len(slots), len(common_names), 1, 1
    reflectance = (("time", "band", "y", "x"), np.ones(shape, "float32"))
    coords = {name: ("time", [s[name] for s in slots]) for name in slots[0]}
    coords |= {"band": [f"B{k}" for k in range(len(common_names))]}
    coords |= {"common_name": ("band", common_names)}
    coords |= {"item_id": ("time", [f"item{k}" for k in range(len(slots))])}
    attributes = {"cubestore:sensor": "sentinel-2-l2a"}
    return xr.Dataset({"reflectance": reflectance}, coords, attributes)


# Parity.


@pytest.mark.parametrize(("sun", "view", "between", "thick", "sparse"), [k[1:] for k in KERNELS])
def test_the_kernels_are_those_of_the_reference(sun, view, between, thick, sparse):
    angles = np.radians([sun, view, between])
    assert adjust.ross_thick(*angles) == pytest.approx(thick, abs=1e-8)
    assert adjust.li_sparse(*angles) == pytest.approx(sparse, abs=1e-8)


def test_the_factors_are_those_of_the_reference():
    dataset = cube_of(BANDS, [slot(*row[1:4]) for row in KERNELS])
    sun = xr.DataArray([row[0] for row in KERNELS], dims="time")
    factors = adjust.c_factor(dataset, sun_zenith=sun).reflectance
    np.testing.assert_allclose(factors[..., 0, 0], EXPECTED, rtol=2e-7)
    own = adjust.c_factor(dataset.isel(time=slice(5))).reflectance
    np.testing.assert_allclose(own[..., 0, 0], EXPECTED[:5], rtol=2e-7)


def test_bands_share_parameters_as_in_hls():
    dataset = cube_of(["coastal", "blue", "nir08", "nir"], [slot(35, 7.5, 120)])
    coastal, blue, nir08, nir = adjust.c_factor(dataset).reflectance.values.ravel()
    assert (coastal, nir08) == (blue, nir)


@pytest.mark.parametrize("platform", LINES)
def test_bandpasses_are_those_of_hls(platform):
    lines = np.array(LINES[platform].split(), float).reshape(-1, 2)
    dataset = cube_of(OLI_BANDS, [slot(30, 5, 0) | {"platform": platform}])
    for reflectance in (0.0, 0.05, 0.4):
        there = dataset.assign(reflectance=dataset.reflectance * np.float32(reflectance))
        found = adjust.bandpass(there).reflectance.values.ravel()
        np.testing.assert_allclose(found, lines @ [reflectance, 1], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("latitude", "zenith"),  # sen2like's get_mean_sun_angle (commit 70b48db) prints these
    [(0, 31.00760), (45, 47.77081), (-33.9, 46.95444), (68.2, 67.95820)],
)
def test_the_sun_of_a_latitude_is_that_of_hls(latitude, zenith):
    assert adjust.hls_sun_zenith(latitude) == pytest.approx(zenith, abs=1e-5)


# On cubes.


def test_a_cube_is_adjusted_slot_by_slot_and_band_by_band(s2):
    before, after = corner(s2).reflectance, corner(adjust.c_factor(s2)).reflectance
    assert (after.dtype, after.dims) == ("float32", before.dims)
    expected = before.values * EXPECTED[1:4][:, [0, 0, 2, 6, 6], None, None]
    np.testing.assert_allclose(after.values, expected, rtol=2e-7)
    assert np.isnan(after.values).any()


def test_bands_without_a_counterpart_stay_and_the_attribute_tells(s2):
    before, after = corner(s2).reflectance, corner(adjust.bandpass(s2)).reflectance
    np.testing.assert_array_equal(after.sel(band="B08"), before.sel(band="B08"))
    assert not np.array_equal(after.sel(band="B8A"), before.sel(band="B8A"), equal_nan=True)
    assert after.attrs["adjustments"].startswith("bandpass: to oli")
    assert after.attrs["adjustments"].endswith("bands B01 B02 B04 B8A")


def test_everything_else_is_kept(s2):
    after = adjust.bandpass(adjust.c_factor(s2))
    assert after.attrs == s2.attrs
    attributes = dict(after.reflectance.attrs)
    lines = attributes.pop("adjustments").splitlines()
    assert [line.split(":")[0] for line in lines] == ["c_factor", "bandpass"]
    assert attributes == s2.reflectance.attrs
    others = [name for name in s2.variables if name != "reflectance"]
    xr.testing.assert_identical(corner(after[others]).load(), corner(s2[others]).load())
    assert "adjustments" not in s2.reflectance.attrs


def test_a_nadir_view_needs_no_azimuth_and_changes_with_the_sun_only(landsat):
    scene = corner(landsat.isel(time=[0]))
    xr.testing.assert_equal(adjust.c_factor(scene).load(), scene.load())
    moved = adjust.c_factor(scene, sun_zenith=adjust.hls_sun_zenith(48.9))
    assert float((moved.reflectance / scene.reflectance).max()) == pytest.approx(1, abs=0.02)
    assert not moved.reflectance.equals(scene.reflectance)


def test_one_slot_or_one_band_is_adjusted_too(s2):
    whole = corner(adjust.bandpass(adjust.c_factor(s2)))
    for chosen in ({"time": 1}, {"band": 2}, {"time": 0, "band": -1}, {"time": [2, 0]}):
        part = corner(adjust.bandpass(adjust.c_factor(s2.isel(chosen))))
        xr.testing.assert_equal(part.load(), whole.isel(chosen).load())
    named = corner(s2).swap_dims(band="common_name")
    again = adjust.c_factor(named).swap_dims(common_name="band")
    xr.testing.assert_equal(again.load(), corner(adjust.c_factor(s2)).load())


# Laziness.


@pytest.mark.parametrize("chunks", [None, {}])
def test_nothing_is_read_before_pixels_are_looked_at(store, monkeypatch, chunks):
    reads = []
    read = cubestore.reader._Pixels._read
    monkeypatch.setattr(
        cubestore.reader._Pixels, "_read", lambda self, key: reads.append(key) or read(self, key)
    )
    opened = store.cube("31UDQ", "sentinel-2-l2a").open(chunks=chunks)
    adjusted = adjust.bandpass(adjust.c_factor(opened))
    assert repr(adjusted)
    assert not reads
    assert (adjusted.reflectance.chunks is None) == (chunks is None)
    part = adjusted.reflectance.isel(time=1, band=[0, 2], y=slice(-8, None), x=-1)
    expected = corner(opened).reflectance.load()
    assert part.shape == (2, 8)
    reads.clear()
    assert np.isfinite(part.values).any()
    assert len(reads) == 1
    assert expected.sizes["time"] == 3


def test_lazy_chunked_and_loaded_cubes_give_the_same(store, s2):
    lazy = corner(adjust.bandpass(adjust.c_factor(s2)))
    chunked = store.cube("31UDQ", "sentinel-2-l2a").open(chunks={})
    loaded = corner(s2).load()
    for other in (corner(chunked), loaded):
        xr.testing.assert_equal(adjust.bandpass(adjust.c_factor(other)).load(), lazy.load())


def test_an_adjusted_dataset_can_be_sent_and_written(s2, tmp_path):
    adjusted = corner(adjust.c_factor(s2))
    again = pickle.loads(pickle.dumps(adjusted))  # noqa: S301 - our own
    xr.testing.assert_identical(again.load(), adjusted.load())
    adjusted.drop_vars("spatial_ref").to_zarr(tmp_path / "part.zarr", consolidated=False)
    read = xr.open_zarr(tmp_path / "part.zarr", consolidated=False)
    np.testing.assert_array_equal(read.reflectance, adjusted.reflectance)  # not packed again


# What is refused.


def test_a_slot_without_angles_is_refused_or_becomes_nan(landsat):
    with pytest.raises(AdjustmentError, match="1 of 2 slots lack an angle, first l1"):
        adjust.c_factor(landsat)
    adjusted = corner(adjust.c_factor(landsat, unknown="nan")).reflectance
    assert np.isnan(adjusted[1]).all()
    np.testing.assert_array_equal(adjusted[0], corner(landsat).reflectance[0])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sun_elevation", -3.0),  # at night
        ("sun_azimuth", np.nan),
        ("view_zenith", np.nan),
        ("view_azimuth", np.nan),
    ],
)
def test_each_angle_is_needed(s2, name, value):
    spoiled = s2.assign_coords({name: ("time", [*s2[name].values[:2], value])})
    with pytest.raises(AdjustmentError, match="first s2"):
        adjust.c_factor(spoiled)


@pytest.mark.parametrize("platform", ["sentinel-2d", "sentinel-2", ""])
def test_a_platform_without_numbers_is_refused_or_becomes_nan(platform):
    dataset = cube_of(["red"], [slot(30, 5, 0), slot(30, 5, 0) | {"platform": platform}])
    with pytest.raises(AdjustmentError, match="1 of 2 slots lack published numbers, first item1"):
        adjust.bandpass(dataset)
    adjusted = adjust.bandpass(dataset, unknown="nan").reflectance.values.ravel()
    assert np.isnan(adjusted).tolist() == [False, True]


@pytest.mark.parametrize(
    "twice",
    [
        lambda ds: adjust.c_factor(adjust.c_factor(ds)),
        lambda ds: adjust.bandpass(adjust.bandpass(ds)),
        lambda ds: adjust.c_factor(adjust.bandpass(ds)),  # HLS: the angles first
    ],
    ids=["c_factor", "bandpass", "the wrong way round"],
)
def test_twice_is_refused(s2, twice):
    with pytest.raises(AdjustmentError, match="already"):
        twice(s2)


def test_other_sensors_are_refused(store, s2, landsat, append):
    cube = store.create_cube("31UDQ", "sentinel-2-l1c")
    append(cube, "2024-01-01", "toa")
    with pytest.raises(AdjustmentError, match="sentinel-2-l1c"):
        adjust.c_factor(cube.open())
    with pytest.raises(AdjustmentError, match="landsat-c2-l2"):
        adjust.bandpass(landsat)
    with pytest.raises(AdjustmentError, match="does not name"):
        adjust.c_factor(s2.drop_attrs())
    with pytest.raises(AdjustmentError, match="quality"):
        adjust.c_factor(s2[["quality"]])
    with pytest.raises(AdjustmentError, match="a band out of"):
        adjust.bandpass(s2.sel(band=["B08"]))


def test_stored_integers_are_refused(store):
    stored = store.cube("31UDQ", "sentinel-2-l2a").open(mask_and_scale=False)
    with pytest.raises(AdjustmentError, match="int16"):
        adjust.bandpass(stored)


@pytest.mark.parametrize("sun_zenith", [-1.0, 90.0, np.nan])
def test_a_sun_below_the_horizon_is_refused(s2, sun_zenith):
    with pytest.raises(AdjustmentError, match="sun zenith"):
        adjust.c_factor(s2, sun_zenith=sun_zenith)
    with pytest.raises(AdjustmentError, match="one for each slot"):
        adjust.c_factor(s2, sun_zenith=xr.DataArray([30.0, 40.0], dims="time"))


def test_what_does_not_exist_is_refused(s2):
    with pytest.raises(AdjustmentError, match="msi"):
        adjust.bandpass(s2, to="msi")
    with pytest.raises(AdjustmentError, match="85"):
        adjust.hls_sun_zenith(85)


def test_the_error_crosses_processes():
    error = AdjustmentError("a", expected="b", remedy="c")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(again), str(again)) == (AdjustmentError, str(error))
