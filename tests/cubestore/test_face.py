"""The public names of the packages, which are imported when they are first asked for."""

import ast
import importlib
import sys
from pathlib import Path
from types import ModuleType

import cloudpickle
import pytest

import cubestore
import cubestore_pipelines

PACKAGES = [cubestore, cubestore_pipelines]


def stub(package):
    """Return what type checkers are told: a name -> the module that it is imported from."""
    tree = ast.parse(Path(package.__file__).with_suffix(".pyi").read_text())
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module for node in imports for alias in node.names}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_is_what_type_checkers_are_told(package):
    told = stub(package)
    assert set(package.__all__) == set(told) <= set(dir(package))
    for name, module in told.items():
        found = getattr(package, name)
        if module == package.__name__:
            assert found is sys.modules[f"{module}.{name}"]
        else:
            assert found is getattr(importlib.import_module(module), name)


@pytest.mark.parametrize(
    ("package", "name"),
    [
        (cubestore, "batches"),
        (cubestore, "chips"),
        (cubestore, "stats"),
        (cubestore_pipelines, "build"),
        (cubestore_pipelines, "choices"),
        (cubestore_pipelines, "plan"),
        (cubestore_pipelines, "search"),
    ],
)
def test_a_function_stands_when_the_submodule_of_its_name_is_imported(package, name):
    path = f"{package.__name__}.{name}"
    assert isinstance(importlib.import_module(path), ModuleType)
    setattr(package, name, sys.modules[path])  # as Python does after the first import
    assert callable(getattr(package, name))


def test_a_submodule_needs_no_import_of_its_own():
    assert cubestore.errors.CubestoreError is cubestore.CubestoreError


def test_a_name_that_is_nowhere_is_refused():
    with pytest.raises(AttributeError, match="'cubestore' has no attribute 'cubes'"):
        _ = cubestore.cubes


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_crosses_process_borders_by_name(package):
    assert cloudpickle.loads(cloudpickle.dumps(package)) is package
