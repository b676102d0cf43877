"""The kernels for a GPU give the CPU's numbers: their bodies compiled here, and CuPy's own there.

Without a GPU the bodies go through the host's C++ compiler, as a loop: what they compute is tested
on every machine that has one, and what CuPy makes of them where there is CUDA.
"""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest
import torch

from cubestore import norms, quantise
from cubestore.embeddings import steps_for
from cubestore_model import arrays
from cubestore_model.arrays import cuda
from cubestore_model.arrays.scaling import ABSENT, Scaling

EVERY = np.arange(-32768, 32768).astype("int16")
ODD = np.float32([np.nan, np.inf, -np.inf, 0, -0.0])
FLOATS = np.concatenate([np.random.default_rng(0).normal(900, 900, 100_000).astype("f4"), ODD])
MEAN_STD = [(1105.3, 1809.7), (752.0, 1.0), (-3.3, 0.1)]
TYPES = {
    "bool": "bool",
    "float32": "float",
    "float64": "double",
    "int16": "short",
    "int32": "int",
    "int64": "long long",
    "int8": "signed char",
    "uint32": "unsigned int",
    "uint8": "unsigned char",
}
WHOLE = {"power", "value", "pixel"}
"""Parameters of which a kernel has one for every number of the result."""


def written(name, taken, narrow):
    """Return a kernel as a C++ function: its parameters, a count, and the body in a loop."""
    ins, outs, body = cuda.KERNELS[name]
    kinds = {**TYPES, "X": TYPES[taken], "C": TYPES[narrow]}
    told, loads = [], []
    for parameter in ins.split(","):
        *raw, kind, called = parameter.split()
        pointer = "* " if raw or called in WHOLE else " "
        told.append(f"const {kinds[kind]}{pointer}{called}{'_' * (called in WHOLE)}")
        if called in WHOLE:
            loads.append(f"const {kinds[kind]} {called} = {called}_[i];")
    into = kinds[outs.split()[0]]
    return (
        f"namespace {name}_{taken} {{ using X = {kinds['X']}; using C = {kinds['C']};\n"
        f'extern "C" void {name}_{taken}({", ".join(told)}, {into}* out_, long long n) {{\n'
        f"for (long long i = 0; i < n; i++) {{ {' '.join(loads)} {into} out; {body}\n"
        "out_[i] = out; }}}\n"
    )


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("needs g++")
    home = tmp_path_factory.mktemp("kernels")
    both = [(n, *t) for n in cuda.KERNELS for t in (("int16", "float64"), ("float32", "float32"))]
    code = "#include <algorithm>\n#include <cmath>\nusing namespace std;\nusing Index = unsigned;\n"
    (home / "kernels.cpp").write_text(code + "".join(written(*one) for one in both))
    told = ["-O1", "-ffp-contract=off", "-shared", "-fPIC"]
    subprocess.run([compiler, *told, "-o", home / "k.so", home / "kernels.cpp"], check=True)
    library = ctypes.CDLL(str(home / "k.so"))

    def run(name, out, *told):
        kind = told[0].dtype.name
        made = [_c(one, "f4" if kind == "float32" else "f8") for one in told]
        getattr(library, f"{name}_{kind}")(
            *made, ctypes.c_void_p(out.ctypes.data), ctypes.c_longlong(out.size)
        )
        return out

    return run


def _c(value, narrow):
    if isinstance(value, np.ndarray) and value.ndim:
        return ctypes.c_void_p(value.ctypes.data)
    if isinstance(value, bool):
        return ctypes.c_bool(value)
    if isinstance(value, int):
        return ctypes.c_longlong(value)
    if isinstance(value, np.float32):
        return ctypes.c_float(value)
    return ctypes.c_float(value) if narrow == "f4" else ctypes.c_double(value)


@pytest.mark.parametrize("pixels", [EVERY, FLOATS], ids=["int16", "float32"])
def test_every_byte_is_the_published_one(compiled, pixels):
    out = np.empty(pixels.shape, "uint8")
    with np.errstate(all="ignore"):
        for mean, std in MEAN_STD:
            low, width = quantise.between([mean], [std], pixels[None, None])
            made = compiled("bytes_between", out, pixels, low.ravel(), width.ravel(), out.size, 1)
            expected = quantise.mean_two_std(pixels[None, None], [mean], [std])[0, 0]
            np.testing.assert_array_equal(made, expected)
        whole = (np.array([n], low.dtype) for n in (0, quantise.FULL_SCALE))
        made = compiled("bytes_between", out, pixels, *whole, out.size, 1)
        np.testing.assert_array_equal(made, quantise.ten_thousandths(pixels))


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_each_band_has_bytes_of_its_own(compiled, dtype):
    pixels, (mean, std) = chips(dtype)[0], np.transpose([*MEAN_STD, (20, 9)])
    low, width = quantise.between(mean, std, pixels)
    out = np.empty(pixels.shape, "uint8")
    with np.errstate(all="ignore"):
        made = compiled("bytes_between", out, pixels, low.ravel(), width.ravel(), 5 * 7, 4)
        np.testing.assert_array_equal(made, quantise.mean_two_std(pixels, mean, std))


@pytest.mark.parametrize("scale", [0.37, 1.0, 1e-3, 15.5])
def test_every_step_of_a_vector_is_the_cubes(compiled, scale):
    finite = FLOATS[~np.isinf(FLOATS)]
    halves = np.arange(-130, 130, 0.5, "f4") * np.float32(scale)  # ties go to even numbers
    for values in (finite, halves):
        made = compiled("steps", np.empty(values.shape, "int8"), values, np.float32(scale))
        np.testing.assert_array_equal(made, steps_for(values, scale))


def test_decibels_are_those_of_the_loop(compiled):
    made = compiled("decibels", np.empty_like(FLOATS), FLOATS)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(made, norms.decibels(FLOATS), rtol=1e-6, atol=1e-5)


SCALING = {
    "picked": [2, ABSENT, 0],
    "mean": [10, 1, -3.5],
    "std": [2, 1, 0.7],
    "empty": [0.5, 0, -9],
    "fill": -3.0,
}


def chips(dtype):
    random = np.random.default_rng(0)
    stored = random.integers(-5, 60, (3, 4, 5, 7)).astype(dtype)
    if dtype == "float32":
        stored[1, 2, 1, :2] = np.nan, np.inf
    return stored, random.random((3, 5, 7)) > 0.2


@pytest.mark.parametrize("decibels", [False, True])
@pytest.mark.parametrize("limits", [None, (-4.0, 8.0)])
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_pixels_are_scaled_as_by_the_loop(compiled, dtype, limits, decibels):
    stored, valid = chips(dtype)
    scaling = Scaling(**SCALING, limits=limits, decibels=decibels)
    expected = np.empty((3, 3, 5, 7), "f4")
    scaling.fill_in(stored, valid, expected)
    rows = [np.float32(SCALING[name]) for name in ("picked", "mean", "std", "empty")]
    ends = map(np.float32, (*(limits or (-np.inf, np.inf)), SCALING["fill"]))
    made = np.empty_like(expected)
    compiled("scale", made, stored, valid, *rows, *ends, decibels, 5 * 7, 3, 4)
    np.testing.assert_allclose(made, expected, rtol=1e-6 if decibels else 0)


@pytest.fixture(scope="module")
def cupy():
    if not torch.cuda.is_available():
        pytest.skip("needs CUDA")
    return pytest.importorskip("cupy")


@pytest.mark.gpu
@pytest.mark.parametrize("pixels", [EVERY, FLOATS], ids=["int16", "float32"])
def test_cupy_gives_the_same_bytes(cupy, pixels):
    with np.errstate(all="ignore"):
        for mean, std in MEAN_STD:
            shaped = pixels[None, None]
            made = arrays.mean_two_std(cupy.asarray(shaped), [mean], [std])
            np.testing.assert_array_equal(
                cupy.asnumpy(made), arrays.mean_two_std(shaped, [mean], [std])
            )
        images, (mean, std) = np.resize(pixels, (2, 3, 5, 7)), np.transpose(MEAN_STD)
        made = arrays.mean_two_std(cupy.asarray(images), mean, std)
        np.testing.assert_array_equal(cupy.asnumpy(made), arrays.mean_two_std(images, mean, std))
        made = arrays.ten_thousandths(cupy.asarray(pixels))
        np.testing.assert_array_equal(cupy.asnumpy(made), arrays.ten_thousandths(pixels))


@pytest.mark.gpu
def test_cupy_gives_the_same_steps_and_decibels(cupy):
    finite = FLOATS[~np.isinf(FLOATS)]
    made = arrays.steps_of(cupy.asarray(finite), 0.37)
    np.testing.assert_array_equal(cupy.asnumpy(made), arrays.steps_of(finite, 0.37))
    made = arrays.decibels(cupy.asarray(finite))
    np.testing.assert_allclose(cupy.asnumpy(made), arrays.decibels(finite), rtol=1e-5, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.usefixtures("cupy")
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_tensors_on_a_gpu_are_scaled_as_on_the_cpu(dtype):
    stored, valid = map(torch.from_numpy, chips(dtype))
    scaling = Scaling(**SCALING, limits=(-4.0, 8.0))
    there = scaling(stored.cuda(), valid.cuda())
    assert there.is_cuda
    np.testing.assert_array_equal(there.cpu().numpy(), scaling(stored, valid).numpy())


@pytest.mark.gpu
def test_cupy_and_torch_share_memory(cupy):
    tensor = torch.arange(6, device="cuda")
    array = arrays.of_tensor(tensor)
    array[0] = 9
    cupy.cuda.get_current_stream().synchronize()
    assert int(tensor[0]) == 9
    assert arrays.as_tensor(array).data_ptr() == tensor.data_ptr()
