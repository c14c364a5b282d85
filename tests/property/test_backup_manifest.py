"""A backup's name and manifest: what is written is read again, and no path leads out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.upkeep.backup import manifest
from appliance.upkeep.backup.manifest import Counts, Manifest, NoBackup

_TIMES = st.integers(0, 4_000_000_000_000_000)
_LABELS = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,39}", fullmatch=True) | st.just("")
_PARTS = st.text("abcXYZ0.-_ ü", min_size=1, max_size=8).filter(
    lambda part: part not in (".", "..")
)
_PATHS = st.lists(_PARTS, min_size=1, max_size=4).map("/".join)
_DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
_NUMBERS = st.integers(0, 2**53)


def _manifests() -> st.SearchStrategy[Manifest]:
    return st.builds(
        Manifest,
        name=st.text(max_size=20),
        label=st.text(max_size=20),
        at=_TIMES,
        version=st.text(max_size=9),
        node=st.text(max_size=9),
        database=st.sampled_from([manifest.SQLITE, manifest.POSTGRESQL]),
        schemas=st.dictionaries(st.text(max_size=9), st.text(max_size=9)),
        counts=st.builds(Counts, *[_NUMBERS] * 5),
        added=_NUMBERS,
        missing=st.lists(_PATHS).map(tuple),
        files=st.dictionaries(_PATHS, st.tuples(_NUMBERS, _DIGESTS)),
    )


@settings(max_examples=25)  # each waits for the disk
@given(_manifests().filter(lambda each: "\ud800" not in repr(each)))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, made: Manifest) -> None:
    folder = tmp_path_factory.getbasetemp() / "written"
    folder.mkdir(exist_ok=True)
    manifest.write(folder, made)
    assert manifest.read(folder) == made
    assert made.size == sum(size for size, _ in made.files.values())


@given(at=_TIMES, label=_LABELS, taken=st.integers(0, 5))
def test_names_sort_by_time_and_are_never_taken(at: int, label: str, taken: int) -> None:
    assert manifest.check_label(label) == label
    names: list[str] = []
    for _ in range(taken + 1):
        names.append(manifest.make_name(at, label, set(names)))
    assert names == sorted(set(names))
    assert all(manifest.is_name(name) and "/" not in name for name in names)


@given(st.text())
def test_a_label_is_a_part_of_a_folders_name_or_refused(label: str) -> None:
    try:
        manifest.check_label(label)
    except ValueError:
        return
    assert manifest.is_name(manifest.make_name(0, label))


@given(names=st.sets(_TIMES.map(lambda at: manifest.make_name(at, ""))), keep=st.integers(0, 20))
def test_what_is_kept_are_the_newest(names: set[str], keep: int) -> None:
    surplus = manifest.surplus(names, keep)
    kept = names - set(surplus)
    assert len(kept) == (min(keep, len(names)) if keep else len(names))
    assert all(old < new for old in surplus for new in kept)


@given(
    octets=st.binary(max_size=200)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["format", "name", "files", "counts", "missing"]), inner
            )
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_whatever_lies_there_is_a_manifest_or_none(
    tmp_path_factory: pytest.TempPathFactory, octets: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp() / "whatever"
    folder.mkdir(exist_ok=True)
    (folder / manifest.FILE).write_bytes(octets)
    with pytest.raises(NoBackup):
        manifest.read(folder)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "", "a/.."])
def test_a_path_that_leads_out_of_the_backup_is_refused(tmp_path: Path, path: str) -> None:
    made = Manifest(*("n", "", 0, "v", "n", manifest.SQLITE, {}, Counts(), 0, (), {path: (1, "0")}))
    manifest.write(tmp_path, made)
    with pytest.raises(NoBackup, match="leads out"):
        manifest.read(tmp_path)
