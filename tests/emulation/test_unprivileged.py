"""An ordinary user runs a trial: no root at any step."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.backends import kernel
from testbed.results import result
from tests.emulation.conftest import FAILOVER
from tests.emulation.support import PROJECT, command, different, environment

_NOBODY = 65534
_AS_NOBODY = ("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--inh-caps=-all")


@pytest.fixture
def home() -> Iterator[Path]:
    """A home of that user, with the kernel in its cache; pytest's own directories are closed to others."""
    with tempfile.TemporaryDirectory(prefix="home-") as name:
        built = kernel.cache_root() / "kernel" / kernel.key()
        shutil.copytree(built, Path(name) / "cache" / "kernel" / kernel.key())
        for path in (Path(name), *Path(name).rglob("*")):
            os.chown(path, _NOBODY, _NOBODY)
        yield Path(name)


def test_an_ordinary_user_gets_the_same_result(lone_failover: result.Run, home: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("this is an ordinary user: every other test shows it")
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv, which starts a program as another user, is not installed")
    settings = environment(
        HOME=str(home), TESTBED_CACHE=str(home / "cache"), XDG_CACHE_HOME=str(home), TMPDIR=str(home)
    )
    # The checkout may belong to another user, from whom git says nothing unless it may (git-config(1)); the figures'
    # captions name the commit.
    settings |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    # Through a shell: setpriv itself still has root's rights when it looks for the program.
    probe = [*_AS_NOBODY, "sh", "-c", 'exec "$@"', "sh", sys.executable, "-c", "import testbed.cli, mininet"]
    imported = subprocess.run(probe, env=settings, cwd="/", capture_output=True, text=True)
    if imported.returncode != 0:
        reason = (imported.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(f"another user cannot use this Python or this checkout ({PROJECT}): {reason}")
    place = home / "run"
    words = [*_AS_NOBODY, *command("run", *FAILOVER, "--out", str(place))]
    answer = subprocess.run(words, env=settings, cwd=home, capture_output=True, text=True, timeout=300)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert {path.stat().st_uid for path in place.rglob("*")} == {_NOBODY}
    names = different(lone_failover.path, place)
    assert [name for name in names if name == "trials.jsonl" or name.startswith(("raw/", "figures/"))] == []
    assert not [path for path in home.iterdir() if path.name.startswith("testbed-")]
