"""Builds the extension modules: every ``.pyx`` of ``redislite/_core``, with one set of compiler directives.

``REDISLITE_BUILD`` chooses the kind:

- ``release`` (default): optimized, no checks, no symbols (``REDISLITE_SYMBOLS=1`` keeps them, for profilers).
- ``debug``: bounds checks, asserts, checked heap (every block remembers its size), no optimization.
- ``sanitize``: debug plus AddressSanitizer and UndefinedBehaviorSanitizer; run Python with the two libraries preloaded.
- ``fuzz``: sanitize, and what reads files says which of its code is run; ``tests/coverage_map.c`` is preloaded, too.
"""

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

KIND = os.environ.get("REDISLITE_BUILD", "release")
STRICT = os.environ.get("REDISLITE_STRICT") == "1"  # warnings are errors: what CI builds with
CHECKED = KIND != "release"

if KIND not in ("release", "debug", "sanitize", "fuzz"):
    sys.exit(f"REDISLITE_BUILD={KIND}: use release, debug, sanitize or fuzz")

# What a mutation can lead to other code in: all that looks at bytes of an RDB file, a payload or an append-only file.
READERS = {"dump", "intset", "listpack", "lzf", "rdb_input", "rdb_module", "rdb_read", "rdb_values", "replay",
           "ziplist"}

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": CHECKED,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "nonecheck": CHECKED,
    "embedsignature": True,
    "binding": False,
    "legacy_implicit_noexcept": False,
    "show_performance_hints": True,
}

COMPILE = ["-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-unused-function", "-Wno-missing-field-initializers",
           "-Wno-sign-compare", "-Wno-cast-function-type", "-fno-strict-aliasing"]
LINK: list[str] = []
MACROS: list[tuple[str, str | None]] = [("_GNU_SOURCE", None)]

if KIND == "release":
    COMPILE += ["-O3", "-fvisibility=hidden"]
    MACROS.append(("CYTHON_WITHOUT_ASSERTIONS", None))
    if os.environ.get("REDISLITE_SYMBOLS") != "1":
        LINK.append("-Wl,-s" if sys.platform.startswith("linux") else "-Wl,-x")
else:
    COMPILE += ["-O1", "-g", "-fno-omit-frame-pointer"]
    MACROS.append(("REDISLITE_CHECKED_HEAP", None))
if KIND in ("sanitize", "fuzz"):
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
    COMPILE += flags
    LINK += flags
TRACED = ["-fsanitize-coverage=trace-pc"] if KIND == "fuzz" else []
if STRICT:
    COMPILE.append("-Werror")

BUILD = Path("build") / f"cython-{KIND}"

# Modules of different kinds do not go together: another kind than the last one has all of them made anew.
STAMP = Path("build") / "kind"
if not STAMP.exists() or STAMP.read_text() != KIND:
    STAMP.parent.mkdir(exist_ok=True)
    STAMP.write_text(KIND)

extensions = [
    Extension(
        ".".join(path.with_suffix("").parts),
        [str(path)],
        extra_compile_args=COMPILE + (TRACED if path.stem in READERS else []),
        extra_link_args=LINK,
        define_macros=MACROS,
        libraries=["m"],
        depends=[str(STAMP)],
    )
    for path in sorted(Path("redislite/_core").rglob("*.pyx"))
]

jobs = os.cpu_count() or 1

setup(
    ext_modules=cythonize(
        extensions,
        build_dir=str(BUILD),
        compiler_directives=DIRECTIVES,
        nthreads=jobs if sys.platform != "darwin" else 0,
    ),
    options={"build_ext": {"parallel": jobs}},
)
