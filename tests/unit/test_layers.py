"""The layering, read from imports: rooms of the data plane import downward only, no room has a cycle within, and none
of them imports the control plane. The same of the control plane's folders, imports for type checkers included."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest

CORE = Path(__file__).resolve().parents[2] / "redislite" / "_core"

# Bottom to top. What stands directly in `_core` is above all rooms; probes are above that.
ROOMS = (
    "base",
    "text",
    "structures",
    "state",
    "protocol",
    "values",
    "keyspace",
    "commands",
    "clients",
    "dispatch",
    "rdb",
    "handlers",
    "scripting",
    "persistence",
    "process",
    "",
    "embedded",
    "probes",
)
IMPORT = re.compile(r"^\s*from redislite\._core(?P<module>[\w.]*) c?import (?P<names>\([^)]*\)|[^\n]+)", re.M)
LINES_MAX = 1200
COLUMNS_MAX = 120


def modules() -> dict[str, list[Path]]:
    """The files of each module, by its name below `_core`."""
    found: dict[str, list[Path]] = {}
    for path in sorted(CORE.rglob("*.p*")):
        if path.suffix in (".py", ".pyx", ".pxd") and path.stem != "__init__":
            found.setdefault(".".join(path.relative_to(CORE).with_suffix("").parts), []).append(path)
    return found


MODULES = modules()


def room(module: str) -> str:
    return module.rpartition(".")[0]


def imports(module: str) -> set[str]:
    """The modules of the data plane that a module imports, in any way."""
    named = set()
    for path in MODULES[module]:
        for match in IMPORT.finditer(path.read_text()):
            prefix = match["module"].lstrip(".")
            names = [name.split(" as ")[0].strip() for name in match["names"].strip("()").split(",")]
            # A module, or a room and modules of it.
            named |= {prefix} if prefix in MODULES else {f"{prefix}.{name}".lstrip(".") for name in names if name}
    return {name for name in named if name in MODULES and name != module}


GRAPH = {module: imports(module) for module in MODULES}


def test_every_room_is_known() -> None:
    assert {room(module) for module in MODULES} == set(ROOMS)


def upward(graph: dict[str, set[str]], order: tuple[str, ...], place: Callable[[str], str]) -> list[str]:
    """The imports of a graph that lead to a place that stands later in the order."""
    return [
        f"{module} imports {other}"
        for module, others in graph.items()
        for other in others
        if order.index(place(other)) > order.index(place(module))
    ]


def test_imports_point_down() -> None:
    assert not upward(GRAPH, ROOMS, room)


@pytest.mark.parametrize("name", ROOMS)
def test_no_room_has_a_cycle(name: str) -> None:
    own = {module for module in MODULES if room(module) == name}
    assert not in_cycles({module: GRAPH[module] & own for module in own})


def in_cycles(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """What of a graph is in a cycle, or leads to one."""
    waiting = graph
    while free := {module for module, others in waiting.items() if not others & waiting.keys()}:
        waiting = {module: others for module, others in waiting.items() if module not in free}
    return waiting


def test_the_control_plane_is_not_imported() -> None:
    outside = re.compile(r"^\s*(from|import|cimport) redislite(?!\._core\b)", re.M)
    assert not [path.name for paths in MODULES.values() for path in paths if outside.search(path.read_text())]


def test_handlers_of_one_type_never_import_those_of_another() -> None:
    handlers = {module for module in MODULES if room(module) == "handlers" and is_handler(module)}
    assert not [f"{module} imports {other}" for module in handlers for other in GRAPH[module] & handlers]


def is_handler(module: str) -> bool:
    return any(re.search(r"^COMMANDS = ", path.read_text(), re.M) for path in MODULES[module])


def sources() -> list[Path]:
    package = CORE.parent
    return sorted(path for path in package.rglob("*") if path.suffix in (".py", ".pyx", ".pxd", ".pyi"))


def test_no_file_is_too_long() -> None:
    lengths = {path.name: path.read_text().count("\n") for path in sources()}
    assert not {name: lines for name, lines in lengths.items() if lines > LINES_MAX}


def test_lines_are_as_long_as_they_may_be() -> None:
    assert not [
        f"{path.name}:{number}"
        for path in sources()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > COLUMNS_MAX
    ]


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.pxd")), ids=lambda path: path.relative_to(CORE).as_posix())
def test_every_function_states_its_contract(path: Path) -> None:
    # What answers a Python object raises: nothing is to be stated.
    declaration = re.compile(
        r"^ *cdef (?!class|struct|enum|extern|packed|union|object|bytes|str|list|dict|tuple)[^\n=#]*\([^)]*\)([^\n]*)$",
        re.M,
    )
    for match in declaration.finditer(path.read_text()):
        assert "noexcept" in match[1] or "except" in match[1], match[0]


# The control plane, bottom to top: folders, and modules that stand in none.
SUBSYSTEMS = (
    "version",
    "console",
    "files",
    "config",
    "observability",
    "process",
    "serving",
    "persistence",
    "acl",
    "commands",
    "tools",
    "server",
    "embedded",
    "aio",
    "cli",
    "__main__",
    "",
)
PACKAGE = CORE.parent


def control_modules() -> dict[str, Path]:
    """The control plane's files by the name of their module below `redislite`; a folder's own file by the folder's."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if not path.is_relative_to(CORE):
            parts = path.relative_to(PACKAGE).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


CONTROL = control_modules()


def control_imports(module: str) -> set[str]:
    """The modules of the control plane that one of them imports: at its top, in functions, and for type checkers."""
    named = set()
    for node in ast.walk(ast.parse(CONTROL[module].read_text())):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports relatively"
            named |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    below = {name.removeprefix("redislite").lstrip(".") for name in named if name.split(".")[0] == "redislite"}
    # Of a folder the modules are meant, not the folder itself; `redislite` is meant by whoever imports its names.
    modules = {name for name in below if name in CONTROL and name not in (module, "")}
    return modules - {name for name in modules if any(other.startswith(f"{name}.") for other in modules)}


CONTROL_GRAPH = {module: control_imports(module) for module in CONTROL}


def subsystem(module: str) -> str:
    return module.partition(".")[0]


def test_every_subsystem_is_known() -> None:
    assert {subsystem(module) for module in CONTROL} == set(SUBSYSTEMS)


def test_the_control_planes_imports_point_down() -> None:
    assert not upward(CONTROL_GRAPH, SUBSYSTEMS, subsystem)


def test_the_control_plane_has_no_cycle() -> None:
    assert not in_cycles(CONTROL_GRAPH)
    assert CONTROL_GRAPH["server"] >= {"config.config", "commands.acl", "persistence.snapshots"}
    assert in_cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": set()}).keys() == {"a", "b", "c"}


# What holds for all commands: a handler that changes it for a while changes it for whatever is called meanwhile.
GLOBAL_STATE = re.compile(r"core\.(notify_classes|propagation|expiry_ms|now_ms|settings\.\w+)\s*[-+|&^]?=[^=]")
OWN_SETTINGS = {"handlers.hyperloglog": {"settings.hll_vectors"}}  # PFDEBUG SIMD


@pytest.mark.parametrize("module", sorted(module for module in MODULES if room(module) == "handlers"))
def test_handlers_leave_global_settings_alone(module: str) -> None:
    texts = [path.read_text() for path in MODULES[module]]
    found = {match.group(1) for text in texts for match in GLOBAL_STATE.finditer(text)}
    assert found == OWN_SETTINGS.get(module, set())


# What is decided in one place: a pattern, and the modules that may have it.
ONE_PLACE = [
    (r"(?:database|databases\[\w\]|databases\[\w+\]|db)\.keys\b(?!\()", {"keyspace.key_table"}),
    # replay and suspension: what it is set to, and put back
    (r"core\.expiry_ms\b", {"state.expiry_state", "dispatch.turns", "dispatch.suspension"}),
    (r"settings\.import_mode\b", {"state.expiry_state", "keyspace.eviction"}),
]


@pytest.mark.parametrize(("pattern", "places"), ONE_PLACE, ids=["key table", "expiry", "import mode"])
def test_what_is_decided_in_one_place(pattern: str, places: set[str]) -> None:
    expression = re.compile(pattern)
    found = {module for module, paths in MODULES.items() for path in paths
             if path.suffix in (".pyx", ".pxd") and expression.search(path.read_text())}
    assert found == places
