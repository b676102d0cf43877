"""A package's public names, each imported when it is first asked for.

All that stands behind the names of ``cubestore`` takes a second to import, and who asks for the
sensors needs little of it. So a package's ``__init__.pyi`` says where its names stand, to type
checkers and to Python alike.

A public name may be a submodule's too: ``cubestore.batches`` is a function, in a package of that
name. Python binds a submodule in its package whenever it has been imported, and would put it in
the function's place; here the public name stands.
"""

import ast
import sys
from collections.abc import Mapping
from importlib import import_module
from pkgutil import get_data
from types import ModuleType
from typing import Any


class Face(ModuleType):
    """A package whose public names stand in its modules."""

    _origins: Mapping[str, str]
    """A public name -> the module that has it; the package itself: the name is a submodule's."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever bears the name
        """Import what is not here yet: a public name, or else a submodule."""
        origin = self._origins.get(name, self.__name__)
        own = origin == self.__name__
        found = self._submodule(name) if own else getattr(import_module(origin), name)
        self.__dict__[name] = found
        return found

    def __setattr__(self, name: str, value: object) -> None:
        """Bind a name, unless it is public and the import of its namesake binds a submodule."""
        own = self._origins.get(name, self.__name__) == self.__name__
        if own or not isinstance(value, ModuleType):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        """Return the public names too that nobody has asked for."""
        return sorted({*super().__dir__(), *self._origins})

    def __reduce__(self) -> tuple[object, ...]:
        """Cross process borders by name: cloudpickle knows only plain modules."""
        return import_module, (self.__name__,)

    def _submodule(self, name: str) -> ModuleType:
        path = f"{self.__name__}.{name}"
        try:
            return import_module(path)
        except ModuleNotFoundError as error:
            if error.name != path:
                raise
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


def offer(package: str) -> None:
    """Let a package import its public names when they are asked for.

    Args:
        package: its name. Its stub imports each public name from the module that has it, and from
            the package itself the submodules that are public.
    """
    stub = ast.parse(get_data(package, "__init__.pyi") or "")
    imports = [line for line in stub.body if isinstance(line, ast.ImportFrom) and line.module]
    origins = {name.name: line.module for line in imports for name in line.names}
    module = sys.modules[package]
    module.__dict__.update(_origins=origins, __all__=sorted(origins))
    module.__class__ = Face
