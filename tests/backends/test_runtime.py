"""The runtime image's parts: their digests follow from their content alone, and they are the same wherever made."""

from __future__ import annotations

import errno
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import pytest

from testbed.backends.runtime import distributions, layer, libraries
from testbed.backends.runtime.layer import Content, Entry
from testbed.errors import MachineError, SpecError
from testbed.run import leftovers


def content(directory: Path) -> Content:
    """A program, a module, a link and an empty directory, made from files in ``directory``."""
    directory.mkdir(parents=True)
    (directory / "prog").write_text("#!/bin/sh\n")
    (directory / "module.py").write_text("VALUE = {'a', 'b'}\n")
    return Content(
        "/opt/place",
        [
            Entry("bin/prog", directory / "prog", executable=True),
            Entry("lib/module.py", directory / "module.py"),
            Entry("etc/hosts", text="127.0.0.1 localhost\n"),
            Entry("sbin", link="bin"),
            Entry("tmp"),
        ],
    )


def seen(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Mode, time and content of everything below a directory."""
    found = {}
    for path in [root, *sorted(root.rglob("*"))]:
        stat = path.lstat()
        data = os.readlink(path).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(root))] = (stat.st_mode, stat.st_mtime_ns, data)
    return found


def test_a_part_is_the_same_wherever_and_however_it_is_made(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = layer.stored(content(tmp_path / "here"), lambda *_: {"made": "first"})
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / "other cache"))
    monkeypatch.setenv("PYTHONHASHSEED", "12345")
    other = content(tmp_path / "a much longer place" / "elsewhere")
    os.utime(tmp_path / "a much longer place" / "elsewhere" / "module.py", (0, 0))
    before = os.umask(0o077)
    try:
        second = layer.stored(other, lambda *_: {"made": "second"})
    finally:
        os.umask(before)
    assert second.root != first.root
    assert second.digest == first.digest
    assert seen(second.root) == seen(first.root)
    assert first.root.parent.stat().st_mode & 0o777 == 0o755  # whoever may read


def test_byte_code_is_valid_whatever_the_times_are(tmp_path: Path, cache: Path) -> None:
    made = layer.stored(content(tmp_path / "here"), lambda *_: {})
    (compiled,) = made.root.glob("lib/__pycache__/module.*.pyc")
    header = compiled.read_bytes()[:16]
    assert header[:4] == importlib.util.MAGIC_NUMBER
    assert int.from_bytes(header[4:8], "little") == 0b01  # PEP 552: hash-based, and not checked
    assert b"/opt/place/lib/module.py" in compiled.read_bytes()


def test_a_part_is_made_once_and_changes_with_its_content(tmp_path: Path, cache: Path) -> None:
    given = content(tmp_path / "here")
    first = layer.stored(given, lambda *_: {"made": "once"})
    again = layer.stored(given, lambda *_: pytest.fail("made again"))
    assert again == first
    (tmp_path / "here" / "module.py").write_text("VALUE = {'a', 'c'}\n")  # of the same size
    assert layer.stored(given, lambda *_: {}).digest != first.digest
    given.entries[0].source.chmod(0o600)  # type: ignore[union-attr]
    (tmp_path / "here" / "module.py").write_text("VALUE = {'a', 'b'}\n")
    assert layer.stored(given, lambda *_: {}).digest == first.digest


def test_processes_that_make_the_same_part_do_not_disturb_each_other(tmp_path: Path, cache: Path) -> None:
    given = content(tmp_path / "here")
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: layer.stored(given, lambda *_: {}), range(4)))
    assert len({each.root for each in made}) == 1
    assert not list(layer.parts().glob(f"{layer.BUILDING}*"))


def test_an_unfinished_part_is_left_over_and_one_in_work_is_not(tmp_path: Path, cache: Path) -> None:
    def look(_content: Content, root: Path) -> dict[str, object]:
        assert root.parent not in leftovers.leftovers()
        return {}

    layer.stored(content(tmp_path / "here"), look)
    left = layer.parts() / f"{layer.BUILDING}abandoned"
    left.mkdir()
    assert left in leftovers.leftovers()


def test_a_cache_that_cannot_be_written_names_what_to_type(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / "file"))
    with pytest.raises(MachineError) as error:
        layer.stored(content(tmp_path / "here"), lambda *_: {})
    assert error.value.hint == "Give a directory that you can write to: TESTBED_CACHE=DIRECTORY"


def _cut(root: Path) -> None:
    file = root / "lib" / "module.py"
    file.write_bytes(file.read_bytes()[:-1])


def _changed(root: Path) -> None:
    file = root / "lib" / "module.py"
    file.write_text(file.read_text().replace("a", "b"))  # of the same size


def _lost(root: Path) -> None:
    (root / "bin" / "prog").unlink()


def _added(root: Path) -> None:
    (root / "lib" / "sitecustomize.py").write_text("")


def _mode(root: Path) -> None:
    (root / "bin" / "prog").chmod(0o644)


def _link(root: Path) -> None:
    (root / "sbin").unlink()
    (root / "sbin").symlink_to("/tmp")


def _facts(root: Path) -> None:
    (root.parent / "facts.json").write_text("{")


def _no_facts(root: Path) -> None:
    (root.parent / "facts.json").write_text('{"made": "once"}')


@pytest.mark.parametrize("damage", [_cut, _changed, _lost, _added, _mode, _link, _facts, _no_facts])
def test_a_damaged_part_is_noticed_and_made_again(damage: Callable[[Path], None], tmp_path: Path, cache: Path) -> None:
    given = content(tmp_path / "here")
    first = layer.stored(given, lambda *_: {"made": "once"})
    before = seen(first.root)
    damage(first.root)
    again = layer.stored(given, lambda *_: {"made": "again"})
    assert (again.root, again.digest, again.facts) == (first.root, first.digest, {"made": "again"})
    assert seen(again.root) == before
    assert not list(layer.parts().glob(f"{layer.BUILDING}*"))


def test_parts_that_were_not_used_for_long_are_removed_but_for_the_newest(tmp_path: Path, cache: Path) -> None:
    made = []
    for number in range(9):
        given = Content("/opt", [Entry("number", text=str(number))])
        made.append(layer.stored(given, lambda *_: {}).root.parent)
        os.utime(made[-1] / "facts.json", (number, number))  # in 1970
    for part in made[:-1]:  # as if the processes that used them had ended; the last is used by this one
        os.close(layer._in_use.pop(part))
    assert layer.outdated() == [made[2], made[1], made[0]]
    layer.stored(Content("/opt", [Entry("number", text="0")]), lambda *_: pytest.fail("made again"))
    assert layer.outdated() == [made[3], made[2], made[1]], "the six newest are others now"
    assert set(layer.outdated()) <= set(leftovers.leftovers())
    layer.stored(Content("/opt", [Entry("number", text="new")]), lambda *_: {})
    left = {path for path in made if path.exists()}
    assert left == {made[0], *made[5:]}, "with the new one these are the six newest"


def test_a_part_that_another_process_uses_is_not_removed(tmp_path: Path, cache: Path) -> None:
    used = layer.stored(content(tmp_path / "here"), lambda *_: {}).root.parent
    os.utime(used / "facts.json", (0, 0))
    for number in range(7):
        layer.stored(Content("/opt", [Entry("number", text=str(number))]), lambda *_: {})
    assert used.exists() and layer.outdated() == []
    os.close(layer._in_use.pop(used))
    assert layer.outdated() == [used]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_full_disk_is_one_error_and_leaves_nothing_half_written(
    error: int, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    given = content(tmp_path / "here")
    with monkeypatch.context() as patched:
        patched.setattr("shutil.copyfile", full)
        with pytest.raises(MachineError) as raised:
            layer.stored(given, lambda *_: {})
    assert raised.value.message == f"the runtime image cannot be written into {layer.parts()}: {os.strerror(error)}"
    assert raised.value.hint == "Give a directory that you can write to: TESTBED_CACHE=DIRECTORY"
    assert [path.name for path in layer.parts().iterdir()] == ["known"]
    assert layer.stored(given, lambda *_: {}).root.is_dir()


# Distributions ------------------------------------------------------------------------------------------------------


def installed(site: Path, name: str, *requires: str, files: dict[str, str]) -> None:
    """A distribution as pip installs it (core metadata and RECORD of PyPA's specifications)."""
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    lines = [f"Requires-Dist: {text}\n" for text in requires]
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{''.join(lines)}")
    (info / "INSTALLER").write_text("pip\n")
    for path, text in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
    names = [*files, f"{info.name}/METADATA", f"{info.name}/INSTALLER", f"{info.name}/RECORD", "../../../bin/prog"]
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in names))


def test_the_closure_follows_requirements_markers_and_extras(tmp_path: Path) -> None:
    installed(tmp_path, "top", "Mid.dle[more]", "absent; python_version < '3'", files={"top.py": ""})
    installed(tmp_path, "mid_dle", "low; extra == 'more'", "never; extra == 'other'", files={"middle/__init__.py": ""})
    installed(tmp_path, "low", "top", files={"low.py": ""})
    installed(tmp_path, "beside", files={"beside.py": ""})
    found = distributions.closure(["top"], [str(tmp_path)])
    assert list(found) == ["low", "mid-dle", "top"]
    assert distributions.modules(found) == {"low", "middle", "top"}
    with pytest.raises(SpecError) as error:
        distributions.closure(["scapy>=2"], [str(tmp_path)])
    assert error.value.message == "the distribution scapy is not installed"
    assert error.value.hint == "Type: pip install 'scapy'"


def test_the_files_of_a_distribution_leave_out_what_depends_on_the_machine(tmp_path: Path) -> None:
    files = {"top/__init__.py": "", "top/tests/test_it.py": "", "top/__pycache__/__init__.cpython-311.pyc": ""}
    installed(tmp_path, "top", files=files)
    (found,) = metadata.distributions(name="top", path=[str(tmp_path)])
    assert {name for name, _ in distributions.files(found)} == {"top/__init__.py", "top-1.0.dist-info/METADATA"}


def test_an_editable_installation_is_refused(tmp_path: Path) -> None:
    installed(tmp_path, "top", files={"__editable__.top-1.0.pth": "/somewhere\n"})
    (found,) = metadata.distributions(name="top", path=[str(tmp_path)])
    with pytest.raises(MachineError, match="the distribution top is not installed with all its files"):
        list(distributions.files(found))


# Libraries ----------------------------------------------------------------------------------------------------------


def test_the_libraries_of_a_program_are_those_that_the_loader_names() -> None:
    found = libraries.needed([Path(sys.executable).resolve()], set())
    maps = subprocess.run(
        [sys.executable, "-I", "-S", "-c", "print(open('/proc/self/maps').read())"], capture_output=True, text=True
    ).stdout
    mapped = {Path(line.split()[-1]) for line in maps.splitlines() if ".so" in line}
    program = {path.resolve() for path in found.files.values()} | {Path(found.loader).resolve()}
    assert mapped <= program
    assert Path(found.directory, "libc.so.6").exists()
