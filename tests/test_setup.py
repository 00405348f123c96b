"""Set-up: scripts/setup.sh on a machine whose programs are small substitutes, and the Makefile that calls it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BASH = shutil.which("bash") or "bash"

PACKAGES = """\
# package  what it brings  what for
switches   testbed-fake-switch       the switches
venv       python3:ensurepip         the virtual environment
git        testbed-fake-git          optional: the commit
router     testbed-fake-router       services: routes
chromium   testbed-fake-browser      tests: the report in a browser
"""

#: Logs how it was called; "installs" a package by linking what it brings to itself.
APT = """\
#!/bin/sh
echo "$@" >> apt.log
[ "$1" = install ] || exit "${APT_UPDATE:-0}"
for package; do
    case $package in
        switches) brings=testbed-fake-switch ;;
        chromium) brings=testbed-fake-browser ;;
        router) brings=testbed-fake-router ;;
        *) continue ;;
    esac
    [ -n "$APT_BRINGS_NOTHING" ] || ln -s apt-get "bin/$brings"
done
exit "${APT_INSTALL:-0}"
"""

#: Python 3.VERSION: answers the script's questions about itself, copies itself into a new .venv, logs calls of pip.
PYTHON = """\
#!/bin/sh
case "$*" in
    --version) echo "Python 3.VERSION" ;;
    *"version_info < (3, 11)"*) [ VERSION -ge 11 ] ;;
    *"version_info < (3, 12)"*) [ VERSION -ge 12 ] ;;
    *importlib.metadata*) echo "ryu==4.34" ;;
    "-m venv"*) for place; do :; done; mkdir -p "$place/bin"; cp "$0" "$place/bin/python" ;;
    "-m pip"*) echo "$@" >> pip.log; exit "${PIP:-0}" ;;
    "-c import"*) exit 0 ;;
    *) echo "not expected: $*" >&2; exit 99 ;;
esac
"""


class Machine:
    """A checkout with only the script, on a machine whose only programs are in ``bin``."""

    def __init__(self, root: Path) -> None:
        self.root, self.bin = root, root / "bin"
        (root / "scripts").mkdir()
        self.bin.mkdir()
        shutil.copy(ROOT / "scripts" / "setup.sh", root / "scripts")
        (root / "debian-packages.txt").write_text(PACKAGES)
        (root / "setup.py").touch()
        os.utime(root / "setup.py", (1, 1))
        for name in ("dirname", "touch", "mkdir", "cp", "ln"):
            (self.bin / name).symlink_to(str(shutil.which(name)))
        self.program("apt-get", APT)
        self.program("python3", PYTHON.replace("VERSION", "11"))
        self.user("0")

    def program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def user(self, number: str) -> None:
        """Set the user who runs the script, by number."""
        self.program("id", f"#!/bin/sh\necho {number}\n")

    def has(self, *names: str) -> None:
        for name in names:
            self.program(name, "#!/bin/sh\n")

    def ready(self, place: str) -> bool:
        return (self.root / place / "ready").exists()

    def step(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BASH, str(self.root / "scripts" / "setup.sh"), *words],
            cwd="/",
            env={"PATH": str(self.bin), **environment},
            capture_output=True,
            text=True,
        )

    def calls(self, name: str) -> list[str]:
        """How apt-get or pip was called, each call in one line."""
        log = self.root / f"{name}.log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


# Debian packages ----------------------------------------------------------------------------------------------------


def test_a_machine_that_has_all_is_left_alone(machine: Machine) -> None:
    machine.has("testbed-fake-switch")
    done = machine.step("debian")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert machine.calls("apt") == []


def test_root_installs_what_is_missing_and_nothing_else(machine: Machine) -> None:
    done = machine.step("debian")
    assert done.returncode == 0
    assert "Installing Debian packages: switches\n" in done.stdout
    assert machine.calls("apt") == ["update --quiet", "install --quiet --yes --no-install-recommends switches"]
    assert machine.step("debian").stdout == ""
    assert len(machine.calls("apt")) == 2


def test_an_ordinary_user_reads_what_to_type(machine: Machine) -> None:
    machine.user("1000")
    done = machine.step("debian")
    assert done.returncode == 3
    assert done.stderr == (
        "These Debian packages are missing: switches\nType: sudo apt-get install --no-install-recommends switches\n"
    )
    assert machine.calls("apt") == []


def test_another_system_reads_what_is_missing(machine: Machine) -> None:
    (machine.bin / "apt-get").unlink()
    done = machine.step("debian")
    assert done.returncode == 3
    assert "missing: switches\n" in done.stderr
    assert "wanted Debian or Ubuntu" in done.stderr


def test_a_package_that_does_not_bring_what_it_should_is_named(machine: Machine) -> None:
    done = machine.step("debian", APT_BRINGS_NOTHING="1")
    assert done.returncode == 3
    assert "was not found: switches\n" in done.stderr


@pytest.mark.parametrize("part", ["APT_UPDATE", "APT_INSTALL"])
def test_a_failure_of_apt_is_not_ignored(machine: Machine, part: str) -> None:
    assert machine.step("debian", **{part: "100"}).returncode == 100


def test_what_only_tests_need_is_installed_by_root_and_may_fail(machine: Machine) -> None:
    machine.user("1000")
    assert machine.step("debian-tests").returncode == 0
    assert machine.calls("apt") == []
    machine.user("0")
    assert machine.step("debian-tests", APT_UPDATE="100").returncode == 0
    assert machine.step("debian-tests").returncode == 0
    assert machine.calls("apt")[-1].endswith("--no-install-recommends chromium router")
    assert machine.step("debian-tests").stdout == ""


def test_the_daemons_of_services_are_installed_when_they_are_asked_for(machine: Machine) -> None:
    machine.has("testbed-fake-switch")
    assert machine.step("debian").stdout == ""  # not with the rest
    machine.user("1000")
    done = machine.step("debian-services")
    assert done.returncode == 3 and done.stderr.endswith("Type: sudo apt-get install --no-install-recommends router\n")
    machine.user("0")
    done = machine.step("debian-services")
    assert done.returncode == 0 and "systemctl disable bird" in done.stdout
    assert machine.calls("apt")[-1].endswith("--no-install-recommends router")
    assert machine.step("debian-services").stdout == ""


# Python -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [False, True])
@pytest.mark.parametrize("step", ["debian", "python"])
def test_a_python_that_does_not_exist_is_named_before_anything_is_installed(
    machine: Machine, step: str, made: bool
) -> None:
    if made:
        (machine.root / ".venv").mkdir()
        (machine.root / ".venv" / "ready").touch()
    done = machine.step(step, PYTHON="/nonexistent")
    assert done.returncode == 3
    assert done.stderr.startswith(
        "There is no Python /nonexistent; wanted Python 3.11 or newer.\nType: make setup PYTHON="
    )
    assert machine.calls("apt") == []


def test_a_python_that_is_too_old_is_named_before_anything_is_installed(machine: Machine) -> None:
    machine.program("python3", PYTHON.replace("VERSION", "9"))
    for step in ("debian", "python"):
        done = machine.step(step)
        assert done.returncode == 3
        assert done.stderr.startswith("python3 is Python 3.9; wanted Python 3.11 or newer.\nType: make setup PYTHON=")
    assert machine.calls("apt") == []


def test_python3_itself_may_come_with_the_packages(machine: Machine) -> None:
    (machine.bin / "python3").unlink()
    machine.step("debian")
    assert machine.calls("apt")[-1].endswith("--no-install-recommends switches venv")


def test_the_python_parts_are_installed_once_and_again_after_a_failure(machine: Machine) -> None:
    assert machine.step("python", PIP="1").returncode == 1
    assert not machine.ready(".venv")
    assert machine.step("python").returncode == 0
    assert machine.ready(".venv")
    assert machine.calls("pip") == ["-m pip install --quiet --editable .[dev]"] * 2
    assert machine.step("python").stdout == ""
    os.utime(machine.root / ".venv" / "ready", (0, 0))  # setup.py is newer: it may want something else now
    assert "Installing the Python parts" in machine.step("python").stdout
    assert len(machine.calls("pip")) == 3


@pytest.mark.parametrize("step", ["ryu", "ryu-tests"])
def test_ryu_has_an_environment_of_its_own(machine: Machine, step: str) -> None:
    machine.step("python")
    assert machine.step(step).returncode == 0
    assert machine.ready(".venv-ryu")
    assert (machine.root / ".venv-ryu" / "requirements.txt").read_text() == "ryu==4.34\n"
    assert machine.calls("pip")[-1] == "-m pip install --quiet --requirement .venv-ryu/requirements.txt"
    assert machine.step(step).stdout == ""
    assert len(machine.calls("pip")) == 2


def test_a_python_that_is_too_new_for_ryu_is_named(machine: Machine) -> None:
    machine.program("python3", PYTHON.replace("VERSION", "12"))
    machine.step("python")
    done = machine.step("ryu")
    assert done.returncode == 3
    assert "Python up to 3.11 only; .venv has Python 3.12.\nType: make clean, then make setup-ryu" in done.stderr
    assert not machine.ready(".venv-ryu")
    done = machine.step("ryu-tests")
    assert (done.returncode, done.stderr) == (0, "")
    assert "its tests are skipped" in done.stdout


@pytest.mark.parametrize("words", [[], ["everything"]])
def test_another_step_is_refused(machine: Machine, words: list[str]) -> None:
    done = machine.step(*words)
    assert done.returncode == 2
    assert "wanted debian, debian-services, debian-tests, python, ryu or ryu-tests" in done.stderr


# Makefile and scripts -----------------------------------------------------------------------------------------------


def dry_run(*words: str) -> str:
    """What make would do, called as from a terminal even where it is make that runs the tests."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["make", "-n", *words], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_says_what_it_would_do(target: str) -> None:
    assert dry_run(target)


def test_set_up_asks_for_debian_packages_first_and_for_the_python_that_is_wanted() -> None:
    steps = [f'PYTHON="/a/python" scripts/setup.sh {step}' for step in ("debian", "python")]
    assert dry_run("setup", "PYTHON=/a/python").splitlines() == steps


def test_every_tool_that_the_checks_run_is_installed_by_set_up() -> None:
    commands = dry_run("check", "test")
    tools = set(re.findall(r"^\.venv/bin/([\w-]+)", commands, re.MULTILINE))
    brings = {"lint-imports": "import-linter"}
    extra = (ROOT / "setup.py").read_text().partition('"dev": [')[2].partition("]")[0].replace("*_FRAMES", "")
    assert {"ruff", "mypy", "pytest", "lint-imports"} <= tools
    for tool in tools - {"testbed"}:
        assert f'"{brings.get(tool, tool)}>=' in extra


def shell_scripts() -> list[Path]:
    """Every file of the project whose first line names a shell."""
    found = []
    for directory, below, names in os.walk(ROOT):
        made = {name for name in below if name.startswith(".") and name != ".ci"}
        below[:] = set(below) - made - {"results", "build", "__pycache__"}
        for name in names:
            with (Path(directory) / name).open("rb") as file:
                if re.match(rb"#!.*\b(ba|da)?sh\b", file.readline(80)):
                    found.append(Path(directory) / name)
    return sorted(found)


def test_shellcheck_passes_every_shell_script() -> None:
    scripts = [str(path.relative_to(ROOT)) for path in shell_scripts()]
    assert {".ci/run", "scripts/setup.sh"} <= set(scripts)
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed (make test as root installs it)")
    done = subprocess.run(["shellcheck", *scripts], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
