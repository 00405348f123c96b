"""Handing a kernel on: what is packed is what is unpacked, and anything else is refused."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from testbed.backends import guest, kernel, kernel_build, kernel_pack, runtime
from testbed.errors import MachineError, SpecError


@pytest.fixture
def packed(cached: Path, tmp_path: Path) -> Path:
    """A packed kernel; the cache is empty again."""
    kernel_pack.pack(tmp_path / "kernel.tar.gz")
    shutil.rmtree(cached)
    return tmp_path / "kernel.tar.gz"


@pytest.fixture(autouse=True)
def tried(monkeypatch: pytest.MonkeyPatch) -> list[kernel.Kernel]:
    """The kernels that were tried: without a guest, for these are no kernels."""
    found: list[kernel.Kernel] = []
    monkeypatch.setattr(runtime, "prepared", lambda: None)
    monkeypatch.setattr(guest, "verify", lambda made, _: found.append(made))
    return found


def changed(packed: Path, name: str, content: bytes) -> None:
    """Another content of one file in a packed kernel."""
    with tarfile.open(packed) as tar:
        files = {each.name: tar.extractfile(each).read() for each in tar}  # type: ignore[union-attr]
    with tarfile.open(packed, "w:gz") as tar:
        for each, data in {**files, name: content}.items():
            member = tarfile.TarInfo(each)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def ignore(_fraction: float | None, _text: str) -> None:
    """Show no progress."""


def test_a_packed_kernel_is_unpacked_as_it_was(packed: Path, tried: list[kernel.Kernel]) -> None:
    assert kernel.find() is None
    found = kernel_pack.unpack(packed, ignore)
    assert found == kernel.find()
    assert [each.sha256 for each in tried] == [found.sha256]
    assert (found.source, found.source_sha256) == ("linux-source-7.2 7.2.1-1", "ab" * 32)
    assert found.path.read_bytes() == b"\x7fELF"
    assert found.path.stat().st_mode & 0o111
    assert sorted(path.name for path in kernel.entry().iterdir()) == sorted(kernel_pack._FILES)
    assert [path.name for path in kernel.entry().parent.iterdir() if path.name.startswith("build-")] == []


def test_a_packed_kernel_names_nobody(packed: Path) -> None:
    with tarfile.open(packed) as tar:
        assert {(each.uid, each.gid, each.uname, each.gname) for each in tar} == {(0, 0, "root", "root")}


@pytest.mark.parametrize("name", ["linux", "randomness.so"])
def test_a_damaged_file_is_refused(packed: Path, name: str, tried: list[kernel.Kernel]) -> None:
    changed(packed, name, b"\x7fELF changed")
    with pytest.raises(SpecError) as error:
        kernel_pack.unpack(packed, ignore)
    assert f"{name} is not the file whose SHA-256 is in kernel.json" in error.value.message
    assert error.value.hint == "Copy the file again, or pack it again. Otherwise type: testbed kernel build"
    assert tried == []
    assert kernel.find() is None


def test_the_kernel_of_another_version_is_refused(packed: Path, tried: list[kernel.Kernel]) -> None:
    with tarfile.open(packed) as tar:
        data = json.load(tar.extractfile("kernel.json"))  # type: ignore[arg-type]
    changed(packed, "kernel.json", json.dumps({**data, "key": "0123456789abcdef"}).encode())
    with pytest.raises(SpecError) as error:
        kernel_pack.unpack(packed, ignore)
    assert error.value.message == (
        f"{packed} holds the kernel 0123456789abcdef; this version of the testbed needs {kernel.key()}"
    )
    assert "testbed kernel build" in error.value.hint
    assert tried == []


@pytest.mark.parametrize("content", [None, b"", b"no tar file", b"\x1f\x8b\x08\x00"])
def test_another_file_is_refused(cache: Path, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SpecError, match="is no packed kernel") as error:
        kernel_pack.unpack(file, ignore)
    assert error.value.hint == "Wanted a file that `testbed kernel pack FILE` wrote."


def test_another_file_is_refused_while_a_kernel_is_built(cache: Path, tmp_path: Path) -> None:
    def waits(_fraction: float | None, text: str) -> None:
        pytest.fail(text)

    (cache / "kernel").mkdir(parents=True)
    with kernel_build.lock(ignore), pytest.raises(SpecError, match="is no packed kernel"):
        kernel_pack.unpack(tmp_path / "none", waits)


def test_without_a_kernel_there_is_nothing_to_pack(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="the guest kernel is not built"):
        kernel_pack.pack(tmp_path / "kernel.tar.gz")


def test_a_file_is_not_overwritten(cached: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(SpecError, match="mine exists"):
        kernel_pack.pack(tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_file_that_cannot_be_written_is_refused(cached: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be written: No such file or directory"):
        kernel_pack.pack(tmp_path / "missing" / "kernel.tar.gz")


def test_an_interrupted_pack_leaves_no_file(cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: tarfile.TarInfo) -> tarfile.TarInfo:
        raise KeyboardInterrupt

    monkeypatch.setattr(kernel_pack, "_anonymous", interrupt)
    with pytest.raises(KeyboardInterrupt):
        kernel_pack.pack(tmp_path / "kernel.tar.gz")
    assert not (tmp_path / "kernel.tar.gz").exists()
