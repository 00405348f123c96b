"""The project a second time in other places, with everything else different wherever nothing should matter.

longer      a copy in a longer path with spaces; an environment with one package more; old files; as a careful user
shorter     a copy in the shortest path that can be had; files from the future; a Turkish locale
link        the checkout through a symbolic link; files open to all
installed   an installed package beside the editable one; as a user of the group
"""

from __future__ import annotations

import contextlib
import os
import shutil
import site
import string
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from testbed.backends import kernel
from tests.emulation.support import LIMIT_S, PROJECT

#: What a trial is made of.
_PARTS = ("testbed", "topologies", "experiments")
#: The year 2001, and the year 2040.
_OLD, _FUTURE = 1_000_000_000, 2_208_988_800
_SCRIPT = """
import os, resource, sys
os.umask(int(sys.argv[1], 8))
resource.setrlimit(resource.RLIMIT_STACK, (64 << 20, resource.getrlimit(resource.RLIMIT_STACK)[1]))
for number in range(200):  # descriptors that a child might inherit
    os.set_inheritable(os.open("/dev/null", os.O_RDONLY), True)
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True)
class Place:
    """Where the project is found, the Python that runs it, and the setting that it is run in."""

    project: Path
    python: Path
    cwd: Path
    umask: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """``testbed WORDS`` there."""
        return self._run("-m", "testbed", *words)

    def module(self) -> str:
        """The file that ``import testbed`` finds there."""
        return self._run("-c", "import testbed; print(testbed.__file__)").stdout.strip()

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        settings = {
            "PATH": "/usr/bin:/bin:/usr/sbin",
            "HOME": str(self.cwd),
            "TESTBED_CACHE": str(kernel.cache_root()),
            "SOMETHING": "else " * 50,
            **self.environment,
        }
        command = [sys.executable, "-c", _SCRIPT, self.umask, str(self.python), *words]
        return subprocess.run(
            command, env=settings, cwd=self.cwd, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )


@contextlib.contextmanager
def longer(directory: Path) -> Iterator[Place]:
    """A copy in a longer path with spaces, and an environment that holds one package more."""
    project = _copied(directory / "another place with a much longer path, and spaces" / "testbed checkout", _OLD)
    python, packages = _venv(directory / "another venv")
    extra = packages / "one_package_more-1.0.dist-info"
    extra.mkdir()
    (extra / "METADATA").write_text("Metadata-Version: 2.1\nName: one-package-more\nVersion: 1.0\n")
    (extra / "RECORD").write_text("one_package_more/__init__.py,,\none_package_more-1.0.dist-info/METADATA,,\n")
    (packages / "one_package_more").mkdir()
    (packages / "one_package_more" / "__init__.py").write_text("")
    away = directory / "home of another"
    away.mkdir()
    others = {"LANG": "de_DE.UTF-8", "LC_ALL": "C", "TZ": "Asia/Tokyo", "TERM": "vt100", "PYTHONHASHSEED": "99"}
    yield Place(project, python, away, "077", {"PYTHONPATH": str(project), "TMPDIR": str(away), **others})


@contextlib.contextmanager
def shorter(directory: Path) -> Iterator[Place]:
    """A copy in a directory of one letter in the system's own place for temporary files."""
    with _one_letter() as project:
        _copied(project, _FUTURE)
        others = {"LANG": "tr_TR.UTF-8", "TZ": "America/St_Johns", "COLUMNS": "40", "PYTHONHASHSEED": "0"}
        yield Place(project, Path(sys.executable), Path("/"), "022", {"PYTHONPATH": str(project), **others})


@contextlib.contextmanager
def link(directory: Path) -> Iterator[Place]:
    """The checkout itself, by a symbolic link, and the link as the place for temporary files as well."""
    project = directory / "link"
    project.symlink_to(PROJECT, target_is_directory=True)
    (directory / "files").mkdir()
    temporary = directory / "link to files"
    temporary.symlink_to(directory / "files", target_is_directory=True)
    others = {"LC_ALL": "C.UTF-8", "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}
    yield Place(project, Path(sys.executable), directory, "000", {"PYTHONPATH": str(project), **others})


@contextlib.contextmanager
def installed(directory: Path) -> Iterator[Place]:
    """The package installed in an environment that also sees the editable one.

    setuptools puts the files there, the same that a wheel has: with setuptools before 70.1 pip would need the package
    wheel, which an environment need not have.
    """
    source = _copied(directory / "source", _OLD)
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(PROJECT / name, source)
    python, packages = _venv(directory / "venv")
    words = [word for part in ("install_lib", "install_egg_info") for word in (part, "--install-dir", str(packages))]
    made = subprocess.run([sys.executable, "setup.py", *words], cwd=source, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    shutil.rmtree(source)
    yield Place(packages, python, directory, "027", {"LC_ALL": "POSIX", "TMPDIR": str(directory), "TZ": "UTC"})


PLACES: dict[str, Callable[[Path], contextlib.AbstractContextManager[Place]]] = {
    "longer": longer,
    "shorter": shorter,
    "link": link,
    "installed": installed,
}


def _copied(project: Path, time_s: int) -> Path:
    """What a trial is made of, copied, with other file times."""
    for name in _PARTS:
        shutil.copytree(PROJECT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in project.rglob("*"):
        os.utime(path, (time_s, time_s))
    return project


def _venv(place: Path) -> tuple[Path, Path]:
    """A virtual environment that finds this one's packages after its own; its Python, and its directory of packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    (packages,) = place.glob("lib/python*/site-packages")
    others = "; ".join(f"site.addsitedir({path!r})" for path in site.getsitepackages())  # their .pth files as well
    (packages / "there.pth").write_text(f"import site; {others}\n")
    return place / "bin" / "python", packages


@contextlib.contextmanager
def _one_letter() -> Iterator[Path]:
    """A new directory whose name is one letter; it is removed at the end."""
    for letter in string.ascii_letters:
        with contextlib.suppress(FileExistsError):
            path = Path("/tmp") / letter
            path.mkdir()
            break
    else:
        raise AssertionError("no letter is free")
    try:
        yield path
    finally:
        shutil.rmtree(path)
