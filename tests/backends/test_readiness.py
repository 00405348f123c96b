"""What would fail every trial is one error before the first: programs, the sandbox, a kernel that boots.

Right values: the packages are those of debian-packages.txt; what bwrap prints is from its own issue tracker.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from testbed.backends import environment, guest, kernel, machine, native, readiness, runtime
from testbed.backends.watchdog import Watchdog
from testbed.errors import MachineError, TrialError
from testbed.run.executor import choose_backend

_PACKAGES = Path(__file__).resolve().parents[2] / "debian-packages.txt"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A search path with every program that trials need, none of which does anything."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in {*readiness.PROGRAMS, *readiness.SOME, *readiness.SERVICES, *guest._PROGRAMS}:
        program(directory / name, "exit 0")
    monkeypatch.setattr(environment, "SEARCH", str(directory))
    monkeypatch.setenv("PATH", str(directory))
    return directory


def program(path: Path, script: str) -> None:
    """A program that is this shell script."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_every_package_that_is_named_is_one_that_set_up_installs() -> None:
    known = {line.split()[0] for line in _PACKAGES.read_text().splitlines() if line and not line.startswith("#")}
    named = {*readiness.PROGRAMS.values(), *readiness.SOME.values(), *guest._PROGRAMS.values()}
    assert named <= known
    purposes = {
        words[0]: words[2] for line in _PACKAGES.read_text().splitlines() if (words := line.split()) and words[0] != "#"
    }
    services = {package for package, purpose in purposes.items() if purpose == "services:"}
    assert services == set(readiness.SERVICES.values())


@pytest.mark.parametrize("name", [*readiness.PROGRAMS, "bwrap", "setarch", "taskset"])
@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_a_missing_program_is_an_error_before_the_first_trial(
    name: str, clock: str, programs: Path, cached: Path
) -> None:
    package = {**readiness.PROGRAMS, **guest._PROGRAMS}[name]
    (programs / name).unlink()
    with pytest.raises(MachineError) as error:
        choose_backend("guest", clock)
    assert error.value.message == f"trials need {package}, not installed"
    assert error.value.hint == f"Type: apt-get install {package}"
    by_name = {ability.name: ability for ability in machine.abilities()}
    assert f"package {package}" in by_name[f"guest, {clock} clock"].lacks


def test_all_that_is_missing_is_one_error(programs: Path, cached: Path) -> None:
    for name in ("ovs-vswitchd", "ovsdb-server", "bwrap", "mnexec"):
        (programs / name).unlink()
    with pytest.raises(MachineError) as error:
        choose_backend("auto", "virtual")
    assert error.value.message == "trials need bubblewrap, mininet, openvswitch-switch, not installed"


@pytest.mark.parametrize(("name", "package"), readiness.SOME.items())
def test_a_program_of_some_experiments_is_needed_by_these_only(
    name: str, package: str, programs: Path, cached: Path
) -> None:
    (programs / name).unlink()
    readiness.check([], in_guest=True)
    with pytest.raises(MachineError, match=f"trials need {package}, not installed"):
        readiness.check([name], in_guest=True)


@pytest.mark.parametrize(("name", "package"), readiness.SERVICES.items())
def test_a_daemon_of_services_is_installed_by_a_target_of_its_own(
    name: str, package: str, programs: Path, cached: Path
) -> None:
    (programs / name).unlink()
    readiness.check([], in_guest=True)
    with pytest.raises(MachineError) as error:
        readiness.check([name], in_guest=True)
    assert error.value.message == f"trials need {package}, not installed"
    assert error.value.hint.startswith("Type: make setup-services")


def test_the_native_backend_needs_the_programs_as_well(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "lacks", list)
    assert choose_backend("native", "real").name == "native"
    (programs / "ovsdb-server").unlink()
    with pytest.raises(MachineError, match="trials need openvswitch-switch, not installed"):
        choose_backend("native", "real")


#: Of Ubuntu 24.04 (containers/bubblewrap, issue 632), and of a container without user namespaces.
REFUSED = (
    "bwrap: setting up uid map: Permission denied",
    "bwrap: Creating new namespace failed: No space left on device",
)


@pytest.mark.parametrize("said", REFUSED)
def test_a_sandbox_that_does_not_start_is_an_error_before_the_first_trial(
    said: str, programs: Path, cached: Path
) -> None:
    program(programs / "bwrap", f"echo '{said}' >&2\nexit 1")
    with pytest.raises(MachineError) as error:
        choose_backend("guest", "virtual")
    assert error.value.message == f"bubblewrap cannot make a sandbox for the guest: {said}"
    assert error.value.hint
    first = machine.abilities()[0]
    assert not first.ready and first.lacks == (f"a sandbox ({said})",)


@pytest.mark.parametrize("place", range(len(readiness._FORBIDS)))
def test_the_setting_that_forbids_namespaces_is_named(
    place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, forbids, typed = readiness._FORBIDS[place]
    (tmp_path / "setting").write_text(f"{forbids}\n")
    monkeypatch.setattr(readiness, "_FORBIDS", ((str(tmp_path / "setting"), forbids, typed),))
    assert readiness._permit() == f"Type as root: {typed}"
    (tmp_path / "setting").write_text("15000\n")
    assert "privileged" in readiness._permit()


def test_a_kernel_that_does_not_boot_is_one_error_and_is_asked_again(
    programs: Path, cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cached kernel of the fixture is no program."""
    monkeypatch.setattr(runtime, "prepared", lambda *_: None)
    for _ in range(2):
        with pytest.raises(MachineError) as error:
            choose_backend("guest", "virtual")
        assert error.value.message.startswith(f"the guest kernel {cached / 'linux'} does not start here: ")
        assert "testbed kernel build --again" in error.value.hint


def test_a_kernel_that_booted_is_not_booted_again(
    programs: Path, cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "prepared", lambda *_: None)
    booted: list[Path] = []

    def run(found: kernel.Kernel, directory: Path, *_: object, watchdog: Watchdog, **__: object) -> None:
        booted.append(found.path)
        (directory / "trial.log").touch()

    monkeypatch.setattr(guest, "run", run)
    for _ in range(2):
        assert choose_backend("guest", "virtual").name == "guest"
    assert booted == [cached / "linux"]
    os.utime(cached / "linux", (0, 0))  # another file
    choose_backend("guest", "virtual")
    assert len(booted) == 2


def test_a_damaged_kernel_is_not_replaced_by_another_in_silence(
    programs: Path, cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "lacks", list)
    (cached / "linux").write_bytes(b"\x7fEL")
    for clock in ("virtual", "real"):
        with pytest.raises(MachineError, match="the guest kernel is damaged: linux"):
            choose_backend("auto", clock)
    assert any("damaged" in text for text in machine.abilities()[0].lacks)
    assert stat.S_ISREG((cached / "linux").stat().st_mode)


def test_a_guest_that_cannot_start_in_a_trial_is_the_trials_reason(
    programs: Path, cached: Path, tmp_path: Path
) -> None:
    program(programs / "bwrap", "echo 'bwrap: no more processes' >&2; exit 1")
    found = kernel.find()
    assert found is not None
    with pytest.raises(TrialError, match="its console: bwrap: no more processes"):
        guest.run(found, tmp_path, ["/bin/true"], seed=1, clock="virtual", watchdog=Watchdog(10.0))
