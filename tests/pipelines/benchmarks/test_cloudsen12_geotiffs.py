"""CloudSEN12 as a folder of GeoTIFFs a patch: made ones, and the real region 1746."""

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine

import cubestore
from cubestore.cloud import UNKNOWN
from cubestore.errors import MismatchError
from cubestore_pipelines.benchmarks.cloudsen12 import export_cloudsen12, import_cloudsen12
from cubestore_pipelines.errors import DatasetError

SIZE = 20
NODATA = -3.4e38


def write(path, pixels, *, names=(), nodata=None, crs="EPSG:32631"):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.asarray(pixels)
    profile = {"driver": "GTiff", "dtype": pixels.dtype, "count": len(pixels), "nodata": nodata}
    profile |= {"height": pixels.shape[1], "width": pixels.shape[2], "crs": crs}
    with rasterio.open(path, "w", **profile, transform=Affine(10, 0, 5e5, 0, -10, 54e5)) as file:
        file.write(pixels)
        for index, name in enumerate(names, 1):
            file.set_band_description(index, name)


def patch(folder, *, seed=0, size=SIZE, names=("B4", "B3"), codes=4):
    """Write two bands, and a label that has holes, as floats."""
    rng = np.random.default_rng(seed)
    bands = rng.integers(1, 9000, (len(names), size, size), "uint16")
    label = rng.integers(0, codes, (1, size, size)).astype("float32")
    label[0, 0] = NODATA
    write(folder / "S2L1C.tif", bands, names=names)
    write(folder / "labels" / "manual_hq.tif", label, nodata=NODATA)
    write(folder / "labels" / "sen2cor.tif", rng.integers(0, 12, (1, size, size), "uint8"))
    return bands, label[0]


def plain(store, name="cloudsen12/high"):
    return xr.open_zarr(f"{store}/patches/{name}", chunks=None, mask_and_scale=False)


def test_patches_come_as_they_are_in_the_order_of_bands(tmp_path):
    made = [patch(tmp_path / "ROI_0001" / f"image-{k}", seed=k) for k in range(3)]
    (done,) = import_cloudsen12(tmp_path / "ROI_0001", tmp_path / "store")
    assert (done.name, done.patches) == ("cloudsen12/high", 3)
    ds = plain(tmp_path / "store")
    assert ds.band.values.tolist() == ["B03", "B04"]
    assert ds.reflectance.dtype == "uint16"
    assert ds.manual_hq.dtype == ds.sen2cor.dtype == "uint8"
    for k, (bands, label) in enumerate(made):
        np.testing.assert_array_equal(ds.reflectance[k], bands[::-1])
        np.testing.assert_array_equal(
            ds.manual_hq[k], np.where(label == label[0, 0], UNKNOWN, label)
        )
    assert ds.patch_id.values.tolist() == ["image-0", "image-1", "image-2"]
    assert set(ds.roi_id.values.tolist()) == {"ROI_0001"}
    assert ds.transform.values[0].tolist() == [10, 0, 500_000, 0, -10, 5_400_000]


def test_bands_can_be_chosen(tmp_path):
    bands, _ = patch(tmp_path / "src" / "ROI_0001" / "a")
    import_cloudsen12(tmp_path / "src", tmp_path / "store", bands=["B04"])
    np.testing.assert_array_equal(plain(tmp_path / "store").reflectance[0, 0], bands[0])


BROKEN = {
    "another size": (lambda p: patch(p, size=SIZE + 1), r"b/S2L1C.tif has .*\(21, 21\) pixels"),
    "a band less": (lambda p: patch(p, names=("B4",)), "b/S2L1C.tif has no reflectance B03"),
    "no label": (lambda p: (p / "labels" / "manual_hq.tif").unlink(), "manual_hq.tif has no"),
    "an unknown label": (lambda p: patch(p, codes=9), r"b/labels/manual_hq.tif: the label \d"),
    "half a label": (
        lambda p: write(p / "labels" / "manual_hq.tif", np.full((1, SIZE, SIZE), 0.5, "float32")),
        "manual_hq.tif has the label 0.5",
    ),
    "no CRS": (
        lambda p: write(
            p / "S2L1C.tif", np.ones((2, 20, 20), "uint16"), names=("B4", "B3"), crs=None
        ),
        "b/S2L1C.tif has no CRS",
    ),
    "no GeoTIFF": (lambda p: (p / "S2L1C.tif").write_text("<html>"), "b/S2L1C.tif is a page"),
    "bands without names": (
        lambda p: write(p / "S2L1C.tif", np.ones((2, SIZE, SIZE), "uint16")),
        "b/S2L1C.tif has 2 bands",
    ),
}


@pytest.mark.parametrize(("damage", "problem"), BROKEN.values(), ids=BROKEN)
def test_patches_that_differ_are_named_and_the_store_stays_as_it_was(tmp_path, damage, problem):
    for name in ("a", "b"):
        patch(tmp_path / "src" / "ROI_0001" / name)
    damage(tmp_path / "src" / "ROI_0001" / "b")
    store = cubestore.create_store(tmp_path / "store")
    with pytest.raises(DatasetError, match=problem):
        import_cloudsen12(tmp_path / "src", store.path)
    assert not store.patch_sets()


def test_geotiffs_do_not_become_memmaps(tmp_path):
    patch(tmp_path / "src" / "ROI_0001" / "a")
    import_cloudsen12(tmp_path / "src", tmp_path / "store")
    with pytest.raises(MismatchError, match="did not come from memmaps"):
        export_cloudsen12(str(tmp_path / "store"), "cloudsen12/high", tmp_path / "out")


def test_the_real_region_comes_in_as_it_was_published(tmp_path, shared_data):
    source = shared_data / "cloudsen12"
    (done,) = import_cloudsen12(source, tmp_path / "store", resplit=(0, 0, 1))
    assert (done.name, done.patches) == ("cloudsen12/high-resplit-42", 4)
    ds = plain(tmp_path / "store", done.name)
    assert dict(ds.reflectance.sizes) == {"patch": 4, "band": 3, "y": 509, "x": 509}
    assert ds.band.values.tolist() == ["B02", "B03", "B04"]
    for k, name in enumerate(ds.patch_id.values):
        with rasterio.open(source / name / "S2L1C.tif") as file:
            np.testing.assert_array_equal(ds.reflectance[k], file.read([3, 2, 1]))
            assert ds.crs.values[k] == f"EPSG:{file.crs.to_epsg()}"
            assert ds.transform.values[k].tolist() == list(file.transform)[:6]
        for label in ("manual_hq", "manual_sc"):
            with rasterio.open(source / name / f"{label}.tif") as file:
                held = file.read(1, masked=True).filled(UNKNOWN).astype("uint8")
            np.testing.assert_array_equal(ds[label][k], held)
    drawn = ds.manual_sc.values != UNKNOWN
    assert 0 < drawn.mean() < 1  # scribbles
    assert set(ds.roi_id.values.tolist()) == {"ROI_1746"}
    assert sorted(ds.cloud_coverage.values.tolist()) == sorted(
        ["almost-clear", "clear", "cloudy", "low-cloudy"]
    )
    assert ds.split.values.tolist() == ["test"] * 4
    assert (float(ds.longitude[0]), float(ds.latitude[0])) == pytest.approx((77.68, 15.11), abs=0.1)
    assert not cubestore.open_store(tmp_path / "store").patches(done.name).verify().findings
