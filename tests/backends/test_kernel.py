"""The guest kernel's key, and finding it in the cache."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from testbed.backends import kernel, kernel_build, machine
from testbed.cli.kernel import kernel_info
from testbed.errors import MachineError
from testbed.run.executor import choose_backend
from tests.backends.conftest import SHA256_OF_ELF


def test_the_key_depends_on_what_the_kernel_is_built_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [kernel.key(), kernel.key()]
    assert keys[0] == keys[1]
    for name in ("CONFIG", "RANDOMNESS"):
        other = tmp_path / name
        other.write_text(getattr(kernel, name).read_text() + "# one line more\n")
        monkeypatch.setattr(kernel, name, other)
        keys.append(kernel.key())
    for name in ("TICKS_PER_S", "_RECIPE"):
        monkeypatch.setattr(kernel, name, 250)
        keys.append(kernel.key())
    assert len(set(keys)) == 5


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


def test_the_description_of_a_kernel_has_no_path_of_this_machine(cached: Path) -> None:
    found = kernel.find()
    assert found is not None
    assert found.as_json() == {
        "version": "7.2.1",
        "source": "linux-source-7.2 7.2.1-1",
        "key": kernel.key(),
        "time_travel": True,
        "seccomp": True,
        "source_sha256": "ab" * 32,
        "sha256": {"linux": SHA256_OF_ELF, "randomness.so": SHA256_OF_ELF},
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


@pytest.mark.parametrize("name", ["linux", "randomness.so"])
def test_a_truncated_kernel_is_reported(cached: Path, name: str) -> None:
    assert kernel.lacking() == ""
    (cached / name).write_bytes((cached / name).read_bytes()[:-1])
    assert kernel.find() is None
    assert kernel.lacking() == f"the guest kernel is damaged: {name} is not the file whose SHA-256 is in kernel.json"
    with pytest.raises(MachineError, match=f"the guest kernel is damaged: {name}") as error:
        choose_backend("guest", "virtual")
    assert error.value.hint.startswith("Type: testbed kernel build")


def test_a_damaged_kernel_is_built_again(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cached / "linux").write_bytes(b"")
    said: list[str] = []
    monkeypatch.setattr(kernel_build, "missing", lambda: ["flex"])  # it stops where a build would begin
    with pytest.raises(MachineError, match="building the guest kernel needs"):
        kernel_build.build(None, lambda _, text: said.append(text))
    assert [text.endswith("it is built again") for text in said] == [True]


@pytest.fixture
def older(cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The cached kernel has some of the options that this version needs, and so another key, which is returned."""
    key, config = kernel.key(), tmp_path / "kernel.config"
    (cached / "config").write_text("CONFIG_NET=y\n# CONFIG_HSR is not set\nCONFIG_MPTCP=m\n")
    config.write_text("# Network\nCONFIG_NET=y\n\nCONFIG_HSR=y\nCONFIG_MPTCP=y\n")
    monkeypatch.setattr(kernel, "CONFIG", config)
    return key


def test_of_an_older_kernel_it_is_told_which_options_it_lacks(older: str) -> None:
    found = kernel.another()
    assert found is not None
    assert (found.kernel.key, found.lacks) == (older, ("CONFIG_HSR", "CONFIG_MPTCP"))
    assert kernel.find() is None
    wanted = (
        f"the guest kernel is not built: the cached one is of another version of the testbed; {older} (Linux 7.2.1)"
        " lacks 2 options of kernel.config: CONFIG_HSR, CONFIG_MPTCP"
    )
    assert kernel.lacking() == wanted
    with pytest.raises(MachineError) as error:
        choose_backend("guest", "virtual")
    assert (error.value.message, error.value.hint.partition(" (")[0]) == (wanted, "Type: testbed kernel build")


def test_of_many_options_the_first_are_named(older: str) -> None:
    kernel.CONFIG.write_text("".join(f"CONFIG_{letter}=y\n" for letter in "ABCDEFGHI"))
    assert kernel.lacking().endswith(
        "lacks 9 options of kernel.config: CONFIG_A, CONFIG_B, CONFIG_C, CONFIG_D, CONFIG_E, CONFIG_F and 3 more"
    )


def test_an_older_kernel_that_lacks_nothing_is_told_as_such(older: str) -> None:
    kernel.CONFIG.write_text("CONFIG_NET=y\n")
    found = kernel.another()
    assert found is not None
    assert found.lacks == ()
    assert "has all options of kernel.config, but" in kernel.lacking()


def test_the_newest_of_the_other_kernels_is_told_and_a_damaged_one_is_not(
    older: str, cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = cached.with_name("0123456789abcdef")
    shutil.copytree(cached, newer)
    data = json.loads((newer / "kernel.json").read_text())
    (newer / "kernel.json").write_text(json.dumps({**data, "key": newer.name}))
    os.utime(cached / "kernel.json", (0, 0))
    found = kernel.another()
    assert found is not None
    assert found.kernel.key == newer.name
    (newer / "linux").write_bytes(b"")
    found = kernel.another()
    assert found is not None
    assert found.kernel.key == older
    (cached / "config").unlink()
    assert kernel.another() is None
    assert kernel.lacking() == "the guest kernel is not built"


def test_the_kernel_that_is_needed_is_no_other(cached: Path) -> None:
    assert kernel.another() is None


def test_check_and_info_tell_of_the_older_kernel(older: str) -> None:
    virtual = machine.abilities()[0]
    assert any("lacks 2 options of kernel.config: CONFIG_HSR, CONFIG_MPTCP" in lack for lack in virtual.lacks)
    assert virtual.hint.endswith("testbed kernel build")
    answer = CliRunner().invoke(kernel_info, ["--json"])
    shown = json.loads(answer.stdout)
    assert (shown["kernel"], shown["other"]["key"]) == (None, older)
    assert shown["other"]["lacks"] == ["CONFIG_HSR", "CONFIG_MPTCP"]
    assert isinstance(answer.exception, MachineError)
    assert "lacks 2 options" in str(answer.exception)


def test_an_entry_without_its_description_is_not_found(cached: Path) -> None:
    (cached / "kernel.json").unlink()
    assert kernel.find() is None
