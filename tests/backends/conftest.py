"""Fixtures: the cache of guest kernels, empty and filled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.backends import kernel

#: Of the content of both files of the fixture, by sha256sum(1).
SHA256_OF_ELF = "3bdbb4fe8397cd2b842430b39ccff01a8663c751945ef5e9a09e267fb8b1d359"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def cached(cache: Path) -> Path:
    """A cache with the kernel that this version needs; its entry."""
    entry = cache / "kernel" / kernel.key()
    entry.mkdir(parents=True)
    for name in ("linux", "randomness.so"):
        (entry / name).write_bytes(b"\x7fELF")
    made = kernel.Kernel(
        entry / "linux",
        entry / "randomness.so",
        "7.2.1",
        "linux-source-7.2 7.2.1-1",
        kernel.key(),
        True,
        True,
        "ab" * 32,
        {name: SHA256_OF_ELF for name in ("linux", "randomness.so")},
    )
    for name in ("config", "build.log"):
        (entry / name).write_text(name)
    (entry / "kernel.json").write_text(json.dumps(made.as_json()))
    return entry
