"""Finding and building the guest kernel: every decision, without a network and without a build."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from testbed.backends import kernel, kernel_source
from testbed.errors import MachineError, SpecError, TestbedError

ROOT = Path(__file__).resolve().parents[2]

#: What apt-get update --print-uris prints (apt-get(8)): the quoted URI, the file's name, its size, its checksum.
PRINTED = """\
'http://mirror.example/debian/dists/bookworm/InRelease' mirror.example_debian_dists_bookworm_InRelease 0
'http://mirror.example/debian/dists/bookworm-updates/InRelease' mirror.example_debian_dists_bookworm-updates_InRelease 0
'http://security.example/debian-security/dists/bookworm-security/InRelease' security.example_InRelease 0
'https://vendor.example/apt/dists/bookworm/InRelease' vendor.example_apt_dists_bookworm_InRelease 0
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of our own."""
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def cached(cache: Path) -> Path:
    """A cache with the kernel that is wanted; returns its entry."""
    entry = cache / "kernel" / kernel.key()
    entry.mkdir(parents=True)
    for name in ("linux", "randomness.so"):
        (entry / name).write_bytes(b"\x7fELF")
    made = kernel.Kernel(
        entry / "linux", entry / "randomness.so", "7.2.1", "linux-source-7.2 7.2.1-1", kernel.key(), True, True
    )
    (entry / "kernel.json").write_text(json.dumps(made.as_json()))
    return entry


def ignore(_fraction: float | None, _text: str) -> None:
    """Progress that nobody looks at."""


# Which source -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "newest"),
    [
        ([], None),
        (["linux-source-6.1", "linux-source-6.12"], None),  # no seccomp mode before 6.16
        (["linux-source-6.15", "linux-source-6.16"], "linux-source-6.16"),
        (["linux-source-6.17", "linux-source-6.9", "linux-source-6.16"], "linux-source-6.17"),  # numbers, not text
        (["linux-source-7.2", "linux-source-6.19"], "linux-source-7.2"),
        (["linux-source-6.17.0", "linux-source"], "linux-source-6.17.0"),  # Ubuntu's name; a name without version
        (["linux-source-9.1-docs", "xlinux-source-9.1"], None),
    ],
)
def test_the_newest_source_that_is_new_enough_is_taken(names: list[str], newest: str | None) -> None:
    assert kernel_source.newest_package(names) == newest


def test_the_mirror_is_the_one_of_the_distribution() -> None:
    assert kernel_source.mirror(PRINTED, "debian") == kernel_source.Mirror(
        "http://mirror.example/debian", ("bookworm", "bookworm-updates")
    )


def test_a_mirror_with_another_name_is_known_by_its_suites() -> None:
    renamed = PRINTED.replace("mirror.example/debian", "mirror.example/pool-of-ours")
    assert kernel_source.mirror(renamed, "debian").site == "http://mirror.example/pool-of-ours"


@pytest.mark.parametrize("printed", ["", PRINTED.splitlines()[2], "E: The list of sources could not be read."])
def test_a_machine_without_a_mirror_is_told_of_source(printed: str) -> None:
    with pytest.raises(MachineError) as told:
        kernel_source.mirror(printed, "debian")
    assert told.value.message == "apt has no debian mirror configured; wanted one to fetch the kernel source from"
    assert "testbed kernel build --source FILE|DIR" in told.value.hint


@pytest.mark.parametrize(
    ("os_release", "name"),
    [
        ("ID=debian\n", "debian"),
        ('PRETTY_NAME="Ubuntu 24.04 LTS"\nID=ubuntu\nID_LIKE=debian\n', "ubuntu"),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', "ubuntu"),
        ("ID=raspbian\nID_LIKE=debian\n", "debian"),
    ],
)
def test_the_distribution_is_read_from_os_release(os_release: str, name: str) -> None:
    assert kernel_source.distribution(os_release) == name


@pytest.mark.parametrize(("os_release", "found"), [("ID=fedora\n", "fedora"), ("", "of no known kind")])
def test_another_distribution_is_told_of_source(os_release: str, found: str) -> None:
    with pytest.raises(MachineError) as told:
        kernel_source.distribution(os_release)
    assert told.value.message == f"this machine is {found}; wanted Debian or Ubuntu to fetch from"
    assert "--source" in told.value.hint


# --source -----------------------------------------------------------------------------------------------------------


def make_tree(directory: Path, version: tuple[int, int, int]) -> Path:
    """What tells a Linux source with User-Mode Linux, and nothing more."""
    (directory / "arch" / "um").mkdir(parents=True)
    lines = zip(("VERSION", "PATCHLEVEL", "SUBLEVEL"), version, strict=True)
    text = "# SPDX-License-Identifier: GPL-2.0\n" + "".join(f"{word} = {number}\n" for word, number in lines)
    (directory / "Makefile").write_text(text + "EXTRAVERSION =\nNAME = Any\n")
    return directory


def test_the_version_is_read_from_the_makefile() -> None:
    assert kernel_source.tree_version("VERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = 13\nEXTRAVERSION = -rc1\n") == (7, 2, 13)


def test_a_makefile_without_a_version_is_refused() -> None:
    with pytest.raises(SpecError, match="not Linux's: it states no version"):
        kernel_source.tree_version("VERSION = 7\nall:\n")


@pytest.mark.parametrize("version", [(6, 16, 0), (6, 17, 3), (7, 0, 0)])
def test_a_tree_that_is_new_enough_is_taken(tmp_path: Path, version: tuple[int, int, int]) -> None:
    tree = make_tree(tmp_path / "linux", version)
    source = kernel_source.unpack(tree, tmp_path / "copy")
    assert source.origin == f"linux ({'.'.join(map(str, version))})"
    assert (source.directory / "Makefile").read_text() == (tree / "Makefile").read_text()


def test_a_tarball_is_unpacked(tmp_path: Path) -> None:
    make_tree(tmp_path / "linux-7.2.1", (7, 2, 1))
    with tarfile.open(tmp_path / "linux-7.2.1.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "linux-7.2.1", "linux-7.2.1")
    source = kernel_source.unpack(tmp_path / "linux-7.2.1.tar.gz", tmp_path / "out")
    assert source == kernel_source.Source(tmp_path / "out" / "linux-7.2.1", "linux-7.2.1.tar.gz (7.2.1)")


def test_a_source_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.tar").write_text("not a tarball")
    make_tree(tmp_path / "old", (6, 12, 27))
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.add(tmp_path / "empty", "other")
    said = {
        "absent": f"no file or directory {tmp_path}/absent; wanted a Linux source",
        "empty": f"{tmp_path}/empty is not a Linux source tree; wanted a directory with Makefile and arch/um",
        "text.tar": f"{tmp_path}/text.tar cannot be unpacked; tar said: ",
        "old": f"{tmp_path}/old is Linux 6.12.27; wanted 6.16 or newer",
        "other.tar": f"{tmp_path}/out-other.tar/other is not a Linux source tree; wanted a directory with",
    }
    for name, message in said.items():
        with pytest.raises(SpecError) as told:
            kernel_source.unpack(tmp_path / name, tmp_path / f"out-{name}")
        assert told.value.message.startswith(message)
        assert told.value.hint == kernel_source.HINT


def test_a_bad_source_leaves_nothing_in_the_cache(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "BUILD_NEEDS", {})
    with pytest.raises(SpecError, match="no file or directory"):
        kernel.build(tmp_path / "absent", ignore)
    assert [path.name for path in (cache / "kernel").iterdir()] == ["lock"]


def test_setting_the_ticks_leaves_the_users_source_as_it_was(tmp_path: Path) -> None:
    theirs = tmp_path / "Kconfig.theirs"
    theirs.write_text("config HZ\n\tint\n\tdefault 100\n\nconfig NR_CPUS\n\tint\n")
    ours = tmp_path / "Kconfig"
    os.link(theirs, ours)
    kernel._set_ticks(ours)
    assert ours.read_text() == "config HZ\n\tint\n\tdefault 1000\n\nconfig NR_CPUS\n\tint\n"
    assert "default 100\n" in theirs.read_text()
    with pytest.raises(TestbedError, match="no 'config HZ' as expected"):
        kernel._set_ticks(make_tree(tmp_path / "linux", (7, 2, 0)) / "Makefile")


# The configuration and the key --------------------------------------------------------------------------------------


def wanted() -> list[str]:
    """The options that the kernel is to have."""
    return [line for line in kernel.CONFIG.read_text().splitlines() if line.startswith("CONFIG_")]


def test_a_configuration_with_every_option_passes() -> None:
    kernel.check_config("\n".join(["# CONFIG_SMP is not set", *reversed(wanted())]))


def test_options_that_a_source_drops_are_listed() -> None:
    lost = ("CONFIG_BONDING=y", "CONFIG_VETH=y")
    assert set(lost) <= set(wanted())
    kept = [line for line in wanted() if line not in lost]
    with pytest.raises(MachineError) as told:
        kernel.check_config("\n".join([*kept, "CONFIG_BONDING=m", "# CONFIG_VETH is not set"]))
    assert told.value.message == "this kernel source does not take: CONFIG_BONDING=y, CONFIG_VETH=y"
    assert told.value.hint == "Use another --source."


def test_the_key_follows_what_the_kernel_is_made_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [kernel.key(), kernel.key()]
    assert keys[0] == keys[1]
    for name in ("CONFIG", "RANDOMNESS"):
        other = tmp_path / name
        other.write_text(getattr(kernel, name).read_text() + "# one line more\n")
        monkeypatch.setattr(kernel, name, other)
        keys.append(kernel.key())
    monkeypatch.setattr(kernel, "TICKS_PER_S", 250)
    keys.append(kernel.key())
    assert len(set(keys)) == 4


# The cache ----------------------------------------------------------------------------------------------------------


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TESTBED_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert kernel.cache_root() == Path("/home/somebody/.cache/testbed")
    monkeypatch.setenv("XDG_CACHE_HOME", "")  # XDG base directory specification: empty is as if not set
    assert kernel.cache_root() == Path("/home/somebody/.cache/testbed")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/xdg")
    assert kernel.cache_root() == Path("/var/xdg/testbed")
    monkeypatch.setenv("TESTBED_CACHE", "/srv/kernels")
    assert kernel.cache_root() == Path("/srv/kernels")


def test_no_kernel_is_found_in_an_empty_cache(cache: Path) -> None:
    assert kernel.find() is None


def test_a_kernel_is_found_and_not_built_again(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", None)
    monkeypatch.setattr(subprocess, "Popen", None)
    found = kernel.build(None, ignore)
    assert found == kernel.find()
    assert (found.path, found.preload) == (cached / "linux", cached / "randomness.so")
    assert (found.version, found.time_travel, found.seccomp) == ("7.2.1", True, True)


def test_what_is_told_of_a_kernel_names_no_place_of_this_machine(cached: Path) -> None:
    found = kernel.find()
    assert found is not None
    assert found.as_json() == {
        "version": "7.2.1",
        "source": "linux-source-7.2 7.2.1-1",
        "key": kernel.key(),
        "time_travel": True,
        "seccomp": True,
    }


def test_a_kernel_of_another_configuration_is_not_found(
    cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "kernel.config"
    other.write_text("CONFIG_NET=y\n")
    monkeypatch.setattr(kernel, "CONFIG", other)
    assert kernel.find() is None


@pytest.mark.parametrize("text", ["", '{"version": "7.2.1", ', "\x00\x00"])
def test_a_damaged_entry_is_not_found(cached: Path, text: str) -> None:
    (cached / "kernel.json").write_text(text)
    assert kernel.find() is None


def test_an_entry_without_its_description_is_not_found(cached: Path) -> None:
    (cached / "kernel.json").unlink()
    assert kernel.find() is None


# What a build needs -------------------------------------------------------------------------------------------------


def test_a_build_without_its_tools_says_what_to_install(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = {"flex", "xz", "/usr/include/libelf.h"}
    monkeypatch.setattr(shutil, "which", lambda need: None if need in missing else f"/usr/bin/{need}")
    monkeypatch.setattr(Path, "exists", lambda path: str(path) not in missing)
    assert kernel.build_lacks() == ["flex", "libelf-dev", "xz-utils"]
    with pytest.raises(MachineError) as told:
        kernel.build(None, ignore)
    assert told.value.message == ("building the guest kernel needs what is not installed: flex, libelf-dev, xz-utils")
    assert told.value.hint == "Type: apt-get install flex libelf-dev xz-utils"
    assert told.value.exit_code == 3


def test_set_up_installs_what_a_build_needs() -> None:
    lines = [line.split() for line in (ROOT / "debian-packages.txt").read_text().splitlines()]
    packages = [words for words in lines if words and not words[0].startswith("#")]
    needed = {words[1]: words[0] for words in packages if not words[2].endswith(":")}  # of no other kind
    assert kernel.BUILD_NEEDS.items() <= needed.items()
