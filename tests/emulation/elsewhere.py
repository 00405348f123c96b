"""The project and its environment a second time, in another place and otherwise different wherever nothing should."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
from pathlib import Path

from testbed.backends import kernel
from tests.emulation.support import PROJECT

_SCRIPT = """
import os, resource, sys
os.umask(0o077)
resource.setrlimit(resource.RLIMIT_STACK, (64 << 20, resource.getrlimit(resource.RLIMIT_STACK)[1]))
for number in range(200):  # descriptors that a child might inherit
    os.set_inheritable(os.open("/dev/null", os.O_RDONLY), True)
os.execv(sys.argv[1], sys.argv[1:])
"""


def made(directory: Path) -> tuple[Path, Path]:
    """A copy of the project with other file times, and a virtual environment with one package more.

    Returns the copy and the environment's Python.
    """
    project = directory / "another place with a much longer path, and spaces" / "testbed checkout"
    project.mkdir(parents=True)
    for name in ("testbed", "topologies", "experiments"):
        shutil.copytree(PROJECT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in project.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    venv = directory / "another venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    (packages / "there.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    extra = packages / "one_package_more-1.0.dist-info"
    extra.mkdir()
    (extra / "METADATA").write_text("Metadata-Version: 2.1\nName: one-package-more\nVersion: 1.0\n")
    (extra / "RECORD").write_text("one_package_more/__init__.py,,\none_package_more-1.0.dist-info/METADATA,,\n")
    (packages / "one_package_more").mkdir()
    (packages / "one_package_more" / "__init__.py").write_text("")
    return project, venv / "bin" / "python"


def run(project: Path, python: Path, place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """``testbed run WORDS --out PLACE`` by the copy: other environment, home, umask, limits and open files."""
    away = place.parent / "home of another"
    away.mkdir(exist_ok=True)
    settings = {
        "PATH": "/usr/bin:/bin:/usr/sbin",
        "HOME": str(away),
        "TMPDIR": str(away),
        "LANG": "de_DE.UTF-8",
        "LC_ALL": "C",
        "TZ": "Asia/Tokyo",
        "TERM": "vt100",
        "PYTHONHASHSEED": "99",
        "SOMETHING": "else " * 50,
        "PYTHONPATH": str(project),
        "TESTBED_CACHE": str(kernel.cache_root()),
    }
    command = [str(python), "-c", _SCRIPT, str(python), "-m", "testbed", "run", *words, "--out", str(place)]
    return subprocess.run(command, env=settings, cwd=away, capture_output=True, text=True, timeout=400)
