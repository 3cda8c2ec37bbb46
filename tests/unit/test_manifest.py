"""The manifest of an append-only file: what it says, and what it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redislite.persistence.manifest import LogFile, Manifest, ManifestError, parse

STEM = "appendonly.aof"


def test_files_in_the_order_of_loading() -> None:
    manifest = parse(
        b"# of a later version\n"
        b"file appendonly.aof.2.base.rdb seq 2 type b newkey newvalue\n"
        b"file appendonly.aof.1.base.rdb seq 1 type h\n"
        b"file appendonly.aof.4.incr.aof seq 4 type i\n"
        b"file appendonly.aof.7.incr.aof seq 7 type i\n"
    )
    assert [one.name for one in manifest.files] == [f"{STEM}.2.base.rdb", f"{STEM}.4.incr.aof", f"{STEM}.7.incr.aof"]
    assert [one.sequence for one in manifest.history] == [1]
    assert (manifest.base_sequence, manifest.incremental_sequence) == (2, 7)


def told(manifest: Manifest) -> tuple[bytes, int, int]:
    """All that there is to know of a manifest."""
    return manifest.text(), manifest.base_sequence, manifest.incremental_sequence


def test_a_rewrite_makes_history() -> None:
    manifest = Manifest()
    manifest.next_base(STEM, as_snapshot=True)
    manifest.next_incremental(STEM)
    for _ in range(2):
        manifest.next_incremental(STEM)
        manifest.next_base(STEM, as_snapshot=False)
        manifest.retire_incremental(1)
    assert manifest.text().decode().splitlines() == [
        "file appendonly.aof.3.base.aof seq 3 type b",
        "file appendonly.aof.2.incr.aof seq 2 type h",
        "file appendonly.aof.2.base.aof seq 2 type h",
        "file appendonly.aof.1.incr.aof seq 1 type h",
        "file appendonly.aof.1.base.rdb seq 1 type h",
        "file appendonly.aof.3.incr.aof seq 3 type i",
    ]
    assert told(parse(manifest.text())) == told(manifest)
    manifest.retire_incremental(0)
    assert manifest.incremental == []


# As long as a file system lets a name be that the log's own ending comes behind: 244 bytes.
@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=61))
def test_any_name_is_read_back(name: str) -> None:
    manifest = Manifest(incremental=[LogFile(name, 3, "i")], incremental_sequence=3)
    assert told(parse(manifest.text())) == told(manifest)


def test_names_are_quoted_where_they_must_be() -> None:
    assert LogFile(" file seq \n\n.aof ", 2, "b").line() == 'file " file seq \\n\\n.aof " seq 2 type b\n'
    assert LogFile("plain-1.aof", 2, "b").line() == "file plain-1.aof seq 2 type b\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Found an empty AOF manifest"),
        (b"file a seq 1 type b\n\nfile b seq 1 type i\n", "Invalid AOF manifest file format"),
        (b"filx a seq 1 type b\n", "Invalid AOF manifest file format"),
        (b"file a type b\n", "Invalid AOF manifest file format"),
        (b"file a seq 1 type b newkey\n", "Invalid AOF manifest file format"),
        (b"file a seq 0 type b\n", "Invalid AOF manifest file format"),
        (b"file a seq x type b\n", "Invalid AOF manifest file format"),
        ("file a seq \u00b2 type b\n".encode(), "Invalid AOF manifest file format"),
        (b'file "a seq 1 type b\n', "Invalid AOF manifest file format"),
        (b"file a seq 1 type x\n", "Unknown AOF file type"),
        (b"file dir/a seq 1 type b\n", "File can't be a path, just a filename"),
        (b"file a seq 2 type i\nfile b seq 1 type i\n", "Found a non-monotonic sequence number"),
        (b"file a seq 1 type b\nfile b seq 2 type b\n", "Found duplicate base file information"),
        (b"file " + b"a" * 1024 + b" seq 1 type b\n", "The AOF manifest file contains too long line"),
        (b"file a seq 1 type b", "The AOF manifest file contains too long line"),
    ],
)
def test_refused(content: bytes, message: str) -> None:
    with pytest.raises(ManifestError, match=message) as caught:
        parse(content)
    assert message in caught.value.report()
