"""Python files that add commands and hooks to the server: `loadmodule`, `--load`, and MODULE.

A file is run once, in a module of its own; what it has decorated is added then, all of it or nothing. It may have an
`on_load(arguments)`, which is given the words behind the path, and an `on_unload()`. MODULE LIST names it after the
file, and tells its `VERSION`, an int, if it has one.

Guarantee: a file that cannot be loaded leaves no command, no hook and no module behind, and ExtensionError says why.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from redislite._core.engine import Engine

_PREFIX = "redislite_extension_"  # of the names in sys.modules
_VERSION_DEFAULT = 1


class ExtensionError(Exception):
    """A file could not be loaded or unloaded; the text says why."""


class Extension:
    """A file that is loaded."""

    __slots__ = ("added", "arguments", "module", "name", "path", "version")

    def __init__(self, name: str, path: str, arguments: list[str], module: ModuleType, added: object) -> None:
        self.name = name
        self.path = path
        self.arguments = arguments
        self.module = module
        self.added = added
        version = getattr(module, "VERSION", _VERSION_DEFAULT)
        self.version = version if isinstance(version, int) else _VERSION_DEFAULT


def _explain(error: BaseException) -> str:
    """What is wrong with a file, and where."""
    if isinstance(error, SyntaxError):
        return f"{error.msg} ({error.filename}, line {error.lineno})"
    import traceback

    last = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" ({last[0].filename}, line {last[0].lineno})" if last else ""
    return f"{type(error).__name__}: {error}{place}"


class Extensions:
    """The files that a server has loaded. changed: called when commands have come or gone."""

    def __init__(self, engine: Engine, changed: Callable[[], object] = lambda: None) -> None:
        self.changed = changed
        self._engine = engine
        self._by_name: dict[str, Extension] = {}

    def __iter__(self) -> Iterator[Extension]:
        """Those that are loaded, in the order of their coming."""
        return iter(self._by_name.values())

    def load(self, path: str, arguments: list[str]) -> Extension:
        """Loads a file. ExtensionError, nothing changed."""
        from redislite._core.scripting.extension import definitions_of

        name = os.path.basename(path)
        if not name.endswith(".py"):
            raise ExtensionError("this server has no interface for modules in C; the names of Python files end in .py")
        name = name[: -len(".py")]
        if name in self._by_name:
            raise ExtensionError(f"a module named '{name}' is loaded already")
        module = self._run(name, os.path.abspath(path), arguments)
        try:
            definitions = definitions_of(vars(module))
            if not definitions:
                raise ExtensionError("it defines neither a command nor a hook")
            added = self._engine.extend(definitions)
        except (ValueError, OSError, MemoryError) as error:
            self._forget(name)
            raise ExtensionError(str(error) or type(error).__name__) from error
        except ExtensionError:
            self._forget(name)
            raise
        extension = Extension(name, path, arguments, module, added)
        self._by_name[name] = extension
        self.changed()
        return extension

    def unload(self, name: str) -> None:
        """Takes away what a file has added. ExtensionError where there is none of that name."""
        extension = self._by_name.pop(name, None)
        if extension is None:
            raise ExtensionError("no such module with that name")
        self._engine.retire(extension.added)
        self._forget(name)
        self.changed()
        farewell = getattr(extension.module, "on_unload", None)
        if farewell is not None:
            farewell()

    def _run(self, name: str, path: str, arguments: list[str]) -> ModuleType:
        from importlib.util import module_from_spec, spec_from_file_location

        if not os.path.isfile(path):
            raise ExtensionError(f"there is no file {path}")
        spec = spec_from_file_location(_PREFIX + name, path)
        if spec is None or spec.loader is None:
            raise ExtensionError(f"{path} cannot be read")
        module = module_from_spec(spec)
        # Where the standard library looks for the module of a class.
        sys.modules[spec.name] = module
        try:
            spec.loader.exec_module(module)
            greeting = getattr(module, "on_load", None)
            if greeting is not None:
                greeting(list(arguments))
        except BaseException as error:
            self._forget(name)
            if isinstance(error, KeyboardInterrupt):
                raise
            raise ExtensionError(_explain(error)) from error
        return module

    @staticmethod
    def _forget(name: str) -> None:
        sys.modules.pop(_PREFIX + name, None)
