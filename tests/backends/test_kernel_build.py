"""Building the guest kernel: requirements, refusals and the cache, without a build."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from testbed.backends import kernel, kernel_build
from testbed.errors import MachineError, SpecError, TestbedError

ROOT = Path(__file__).resolve().parents[2]


def ignore(_fraction: float | None, _text: str) -> None:
    """Show no progress."""


# What a build needs -------------------------------------------------------------------------------------------------


def test_a_build_without_its_tools_names_the_packages_to_install(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = {"flex", "xz", "/usr/include/libelf.h"}
    monkeypatch.setattr(shutil, "which", lambda need: None if need in missing else f"/usr/bin/{need}")
    monkeypatch.setattr(Path, "exists", lambda path: str(path) not in missing)
    assert kernel_build.missing() == ["flex", "libelf-dev", "xz-utils"]
    with pytest.raises(MachineError) as error:
        kernel_build.build(None, ignore)
    assert error.value.message == ("building the guest kernel needs what is not installed: flex, libelf-dev, xz-utils")
    assert error.value.hint == "Type: apt-get install flex libelf-dev xz-utils"
    assert error.value.exit_code == 3


def test_setup_installs_what_a_build_needs() -> None:
    lines = [line.split() for line in (ROOT / "debian-packages.txt").read_text().splitlines()]
    packages = [words for words in lines if words and not words[0].startswith("#")]
    needed = {words[1]: words[0] for words in packages if not words[2].endswith(":")}  # of no other kind
    assert kernel_build.NEEDS.items() <= needed.items()


# The source and the cache -------------------------------------------------------------------------------------------


def test_a_kernel_is_found_and_not_built_again(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", None)
    monkeypatch.setattr(subprocess, "Popen", None)
    found = kernel_build.build(None, ignore)
    assert found == kernel.find()
    assert (found.path, found.preload) == (cached / "linux", cached / "randomness.so")
    assert (found.version, found.time_travel, found.seccomp) == ("7.2.1", True, True)


def test_a_kernel_is_built_again_when_that_is_asked_for(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_build, "missing", lambda: ["flex"])  # it stops where a build would begin
    with pytest.raises(MachineError, match="building the guest kernel needs"):
        kernel_build.build(None, ignore, again=True)


def test_a_bad_source_leaves_nothing_in_the_cache(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_build, "NEEDS", {})
    with pytest.raises(SpecError, match="no file or directory"):
        kernel_build.build(tmp_path / "absent", ignore)
    assert [path.name for path in (cache / "kernel").iterdir()] == ["lock"]


def test_setting_the_ticks_leaves_the_users_source_as_it_was(tmp_path: Path) -> None:
    theirs = tmp_path / "Kconfig.theirs"
    theirs.write_text("config HZ\n\tint\n\tdefault 100\n\nconfig NR_CPUS\n\tint\n")
    ours = tmp_path / "Kconfig"
    os.link(theirs, ours)
    kernel_build._set_ticks(ours)
    assert ours.read_text() == "config HZ\n\tint\n\tdefault 1000\n\nconfig NR_CPUS\n\tint\n"
    assert "default 100\n" in theirs.read_text()
    other = tmp_path / "Kconfig.other"
    other.write_text("config NR_CPUS\n\tint\n\tdefault 1\n")
    with pytest.raises(TestbedError, match="no 'config HZ' as expected"):
        kernel_build._set_ticks(other)


# The configuration ------------------------------------------------------------------------------------------------


def wanted() -> list[str]:
    """The options that the kernel must have."""
    return [line for line in kernel.CONFIG.read_text().splitlines() if line.startswith("CONFIG_")]


def test_a_configuration_with_every_option_passes() -> None:
    kernel_build.check_config("\n".join(["# CONFIG_SMP is not set", *reversed(wanted())]))


def test_options_that_a_source_drops_are_listed() -> None:
    lost = ("CONFIG_BONDING=y", "CONFIG_VETH=y")
    assert set(lost) <= set(wanted())
    kept = [line for line in wanted() if line not in lost]
    with pytest.raises(MachineError) as error:
        kernel_build.check_config("\n".join([*kept, "CONFIG_BONDING=m", "# CONFIG_VETH is not set"]))
    assert error.value.message == "this kernel source does not support: CONFIG_BONDING=y, CONFIG_VETH=y"
    assert error.value.hint == "Use another --source."


@pytest.mark.parametrize("name", ["a cache", "a:cache"])
def test_a_place_where_the_kernels_make_does_not_build_is_refused(tmp_path: Path, name: str) -> None:
    """Linux, Makefile: "source directory cannot contain spaces or colons"."""
    kernel_build.check_place(tmp_path / "cache")
    with pytest.raises(MachineError, match="has a space or a colon in it") as error:
        kernel_build.check_place(tmp_path / name)
    assert error.value.hint.startswith("Type: TESTBED_CACHE=/var/tmp/testbed testbed kernel build")
