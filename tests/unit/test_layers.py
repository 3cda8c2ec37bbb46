"""The layering of the data plane, read from its imports: they point down only, and never to the control plane."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CORE = Path(__file__).resolve().parents[2] / "redislite" / "_core"

# Bottom to top; a module imports from layers below its own, or from its own where that is marked.
LAYERS = [
    {"alloc", "growth", "encodings", "clock", "prefixed", "numbers", "wire", "glob", "lzf", "crc64", "rdb_format"}
    | {"threads", "safe_output"}
    | {"lua_api", "sha1"},
    {"file_worker", "lua_buffer", "lua_sandbox"},
    {"release"},
    {"sds", "dict", "listpack", "intset", "score_tree", "rax", "quicklist"}
    | {"pointer_set", "subsequence"}
    | {"stack_trace", "memory_test"}
    | {"ziplist", "rdb_output", "rdb_input"}
    | {"lua_bit", "lua_json", "lua_messagepack", "lua_struct"},
    {"state"},
    {"fork", "latency"},
    {"records"},
    {"blocking", "propagate", "resp", "reply", "listpack_reply"}
    | {"set_value", "hash_value", "list_value", "sorted_set_value", "stream", "module_value"},
    {"ending", "lua_values"},
    {"arguments", "object", "output", "table", "crash", "command_keys", "upcalls"},
    {"watching", "permissions", "append_log"}
    | {"discard", "suspension"},
    {"keyspace"},
    {"expiry", "hash_field_arguments", "key_sizes", "scanning", "sorted_set_key", "stream_arguments"}
    | {"eviction"}
    | {"tracking"}
    | {"rdb_module"}
    | {"rdb_write", "rdb_values", "rdb_read", "append_rewrite"},
    {"acknowledgement", "strings", "keys", "lists", "sets", "hashes", "zsets"}
    | {"zset_combinations", "streams", "stream_groups", "bits", "hyperloglog", "geo", "sort"}
    | {"transactions"}
    | {"pubsub"}
    | {"dump"},
    {"client_memory", "scripting"},
    {"scripts"},
    {"functions"},
    {"function_commands"},
    {"client", "rdb_snapshot"},
    {"replay", "description"},
    {"engine"},
]
HANDLERS = next(names for names in LAYERS if "strings" in names)
IMPORT = re.compile(r"^\s*from redislite(?:\._core)?\.(\w+) c?import|^\s*from redislite\._core import (.+)$", re.M)


def level(module: str) -> int:
    for number, names in enumerate(LAYERS):
        if module in names:
            return number
    raise AssertionError(f"{module} has no place in the layers")


def cython_modules() -> list[Path]:
    return sorted(path for path in CORE.glob("*.p[yx][xd]") if not path.stem.startswith(("probe", "__init__")))


@pytest.mark.parametrize("path", cython_modules(), ids=lambda path: path.name)
def test_imports_point_down(path: Path) -> None:
    text = path.read_text()
    upward = re.search(r"^\s*(from|import) redislite\.(?!_core)", text, re.M)
    assert not upward, "the control plane is not to be imported"
    own = level(path.stem)
    for match in IMPORT.finditer(text):
        names = [match[1]] if match[1] else [name.strip() for name in match[2].split(",")]
        for name in names:
            if name == path.stem or not list(CORE.glob(f"{name}.p[yx][xd]")):
                continue
            assert level(name) <= own, f"{path.name} imports {name}, which stands above it"
            assert not (path.stem in HANDLERS and name in HANDLERS), "handlers of one type never import another's"


@pytest.mark.parametrize("path", sorted(CORE.glob("*.pxd")), ids=lambda path: path.name)
def test_every_function_states_its_contract(path: Path) -> None:
    # What answers a Python object raises: nothing is to be stated.
    declaration = re.compile(
        r"^ *cdef (?!class|struct|enum|extern|packed|union|object)[^\n=#]*\([^)]*\)([^\n]*)$", re.M
    )
    for match in declaration.finditer(path.read_text()):
        assert "noexcept" in match[1] or "except" in match[1], match[0]


# What holds for all commands: a handler that changes it for a while changes it for whatever is called meanwhile.
GLOBAL_STATE = re.compile(r"core\.(notify_classes|propagation|expiry_ms|now_ms|settings\.\w+)\s*[-+|&^]?=[^=]")
OWN_SETTINGS = {"hyperloglog": {"settings.hll_vectors"}}  # PFDEBUG SIMD


@pytest.mark.parametrize("name", sorted(HANDLERS))
def test_handlers_leave_global_settings_alone(name: str) -> None:
    found = {match.group(1) for match in GLOBAL_STATE.finditer((CORE / f"{name}.pyx").read_text())}
    assert found == OWN_SETTINGS.get(name, set())
