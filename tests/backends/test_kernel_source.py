"""Where the guest kernel's source comes from: every decision, without network access."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

from testbed.backends import kernel_source
from testbed.errors import MachineError, SpecError

#: What apt-get update --print-uris prints (apt-get(8)): the quoted URI, the file's name, its size, its checksum.
PRINTED = """\
'http://mirror.example/debian/dists/bookworm/InRelease' mirror.example_debian_dists_bookworm_InRelease 0
'http://mirror.example/debian/dists/bookworm-updates/InRelease' mirror.example_debian_dists_bookworm-updates_InRelease 0
'http://security.example/debian-security/dists/bookworm-security/InRelease' security.example_InRelease 0
'https://vendor.example/apt/dists/bookworm/InRelease' vendor.example_apt_dists_bookworm_InRelease 0
"""


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


def test_a_mirror_with_another_name_is_recognised_by_its_suites() -> None:
    renamed = PRINTED.replace("mirror.example/debian", "mirror.example/pool-of-ours")
    assert kernel_source.mirror(renamed, "debian").site == "http://mirror.example/pool-of-ours"


@pytest.mark.parametrize("printed", ["", PRINTED.splitlines()[2], "E: The list of sources could not be read."])
def test_without_a_mirror_the_error_names_the_option_source(printed: str) -> None:
    with pytest.raises(MachineError) as error:
        kernel_source.mirror(printed, "debian")
    assert error.value.message == "apt has no debian mirror configured; wanted one to fetch the kernel source from"
    assert "testbed kernel build --source FILE|DIR" in error.value.hint


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


@pytest.mark.parametrize(("os_release", "found"), [("ID=fedora\n", "fedora"), ("", "of unknown kind")])
def test_on_another_distribution_the_error_names_the_option_source(os_release: str, found: str) -> None:
    with pytest.raises(MachineError) as error:
        kernel_source.distribution(os_release)
    assert error.value.message == f"this machine is {found}; wanted Debian or Ubuntu to fetch from"
    assert "--source" in error.value.hint


# --source -----------------------------------------------------------------------------------------------------------


def make_tree(directory: Path, version: tuple[int, int, int]) -> Path:
    """The minimum of a Linux source with User-Mode Linux."""
    (directory / "arch" / "um").mkdir(parents=True)
    lines = zip(("VERSION", "PATCHLEVEL", "SUBLEVEL"), version, strict=True)
    text = "# SPDX-License-Identifier: GPL-2.0\n" + "".join(f"{word} = {number}\n" for word, number in lines)
    (directory / "Makefile").write_text(text + "EXTRAVERSION =\nNAME = Any\n")
    return directory


def test_the_version_is_read_from_the_makefile() -> None:
    assert kernel_source.tree_version("VERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = 13\nEXTRAVERSION = -rc1\n") == (7, 2, 13)


def test_a_makefile_without_a_version_is_refused() -> None:
    with pytest.raises(SpecError, match="not Linux's: it has no version"):
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
    said = subprocess.run(["sha256sum", str(tmp_path / "linux-7.2.1.tar.gz")], capture_output=True, text=True).stdout
    assert source == kernel_source.Source(
        tmp_path / "out" / "linux-7.2.1", "linux-7.2.1.tar.gz (7.2.1)", said.split()[0]
    )


def test_a_source_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.tar").write_text("not a tarball")
    make_tree(tmp_path / "old", (6, 12, 27))
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.add(tmp_path / "empty", "other")
    messages = {
        "absent": f"no file or directory {tmp_path}/absent; wanted a Linux source",
        "empty": f"{tmp_path}/empty is not a Linux source tree; wanted a directory with Makefile and arch/um",
        "text.tar": f"{tmp_path}/text.tar cannot be unpacked; tar said: ",
        "old": f"{tmp_path}/old is Linux 6.12.27; wanted 6.16 or newer",
        "other.tar": f"{tmp_path}/out-other.tar/other is not a Linux source tree; wanted a directory with",
    }
    for name, message in messages.items():
        with pytest.raises(SpecError) as error:
            kernel_source.unpack(tmp_path / name, tmp_path / f"out-{name}")
        assert error.value.message.startswith(message)
        assert error.value.hint == kernel_source.HINT
