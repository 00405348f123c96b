"""Build the guest kernel from signed source, try it in a guest, and put it into the cache.

fetch or unpack the source --> set the ticks --> make allnoconfig with our options --> make linux
    --> boot a guest that makes a bond and a bridge --> cache entry (see kernel)
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.backends import guest, kernel, kernel_source, readiness, runtime
from testbed.backends.kernel import Kernel
from testbed.errors import MachineError, TestbedError

#: The programs and headers that a build needs, with the Debian package of each.
NEEDS = {
    "gcc": "gcc",
    "make": "make",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "xz": "xz-utils",
    "/usr/include/libelf.h": "libelf-dev",
    "/usr/include/stdio.h": "libc6-dev",
}
#: About how many files a build compiles: for the progress of the first build. Later builds know the number.
_FILES_GUESS = 1350

#: Called with the fraction done (None if unknown) and the current step.
Progress = Callable[[float | None, str], None]


def missing() -> list[str]:
    """The Debian packages that a build needs and that are not installed."""
    return sorted(
        package
        for need, package in NEEDS.items()
        if not (Path(need).exists() if need[0] == "/" else shutil.which(need))
    )


def build(source: Path | None, progress: Progress, *, jobs: int | None = None, again: bool = False) -> Kernel:
    """Build the kernel unless it is in the cache. With a ``source``, or ``again``, it is always built.

    Waits for a build that is under way elsewhere. Errors: MachineError, naming what is missing or where the log is;
    SpecError for an unusable ``source``; TrialError if the kernel fails the self-test.
    """
    always = again or source is not None
    if not always and (found := kernel.find()) is not None:
        return found
    if kernel.entry().exists() and (damage := kernel.lacking()):
        progress(None, f"{damage}; it is built again")
    check_place(kernel.cache_root())
    if lacking := missing():
        raise MachineError(
            f"building the guest kernel needs what is not installed: {', '.join(lacking)}",
            f"Type: apt-get install {' '.join(lacking)}",
        )
    readiness.check((), in_guest=True)  # what is built is tried in a guest
    with kernel.writing():
        cache = kernel.cache_root() / "kernel"
        cache.mkdir(parents=True, exist_ok=True)
        with lock(progress):
            if not always and (found := kernel.find()) is not None:
                return found  # built by the process that held the lock
            with tempfile.TemporaryDirectory(prefix="build-", dir=cache) as name:
                work = Path(name)
                tree = (
                    kernel_source.unpack(source, work / "tree")
                    if source
                    else kernel_source.fetch(work, lambda text: progress(None, text))
                )
                log = cache / "build.log"
                made = _compile(tree, work / "out", log, progress, jobs or len(os.sched_getaffinity(0)))
                progress(None, "trying the kernel: a bond and a switch in a guest")
                guest.verify(made, runtime.prepared())
                shutil.copy(log, work / "out" / "build.log")
                put(made, work / "out")
    built = kernel.find()
    assert built is not None
    return built


def check_place(cache: Path) -> None:
    """Errors: MachineError if the kernel's make cannot build below this path (Linux, Makefile: its own check)."""
    if re.search(r"[\s:]", str(cache.absolute())):
        raise MachineError(
            f"the path of the cache has a space or a colon in it, which the kernel's make does not take: {cache}",
            "Type: TESTBED_CACHE=/var/tmp/testbed testbed kernel build, and give TESTBED_CACHE to other commands too.",
        )


def put(made: Kernel, directory: Path) -> None:
    """Make the directory of a kernel that has been tried the cache's entry. The lock is held."""
    (directory / "kernel.json").write_text(json.dumps(made.as_json(), indent=1) + "\n")
    shutil.rmtree(kernel.entry(), ignore_errors=True)
    directory.rename(kernel.entry())


@contextmanager
def lock(progress: Progress) -> Iterator[None]:
    """Only one process at a time changes the cache."""
    with (kernel.cache_root() / "kernel" / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(None, "another build is under way; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _compile(source: kernel_source.Source, out: Path, log: Path, progress: Progress, jobs: int) -> Kernel:
    """Configure and make. ``out`` then holds the files of the cache entry."""
    build = out.parent / "build"
    out.mkdir()
    _set_ticks(source.directory / "arch" / "um" / "Kconfig")
    make = ["make", "-C", str(source.directory), "ARCH=um", f"O={build}", *_same_bytes(source.directory, build)]
    _make([*make, f"KCONFIG_ALLCONFIG={kernel.CONFIG}", "allnoconfig"], log, lambda _: None, "w")
    check_config((build / ".config").read_text())
    expected = _files_expected(log.parent)
    began, files = time.monotonic(), 0

    def count(line: str) -> None:
        nonlocal files
        if re.match(r"\s+(CC|AS|AR|LD) ", line):
            files += 1
            progress(min(files / expected, 0.99), _remaining(files / expected, time.monotonic() - began))

    _make([*make, f"-j{jobs}", "linux"], log, count, "a")
    (log.parent / "files").write_text(str(files))
    shutil.copy(build / "linux", out / kernel.BINARY)
    shutil.copy(build / ".config", out / "config")
    seeded = out / kernel.PRELOAD
    # By its name alone: a path would get into the library.
    words = ["gcc", "-O2", "-shared", "-fPIC", "-o", str(seeded.absolute()), kernel.RANDOMNESS.name]
    subprocess.run(words, check=True, cwd=kernel.RANDOMNESS.parent)
    subprocess.run(["strip", "--strip-debug", str(out / kernel.BINARY)], check=False)
    version = subprocess.run(
        [str(out / "linux"), "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()
    digests = {name: kernel.file_digest(out / name) for name in (kernel.BINARY, kernel.PRELOAD)}
    return Kernel(out / kernel.BINARY, seeded, version, source.origin, kernel.key(), True, True, source.sha256, digests)


def _same_bytes(tree: Path, build: Path) -> list[str]:
    """Variables of make with which one source and one compiler give the same bytes, wherever, whenever and by whom the
    kernel is built (kbuild/reproducible-builds.rst)."""
    maps = f"-ffile-prefix-map={build}=. -ffile-prefix-map={tree}=."
    return [
        *("KBUILD_BUILD_TIMESTAMP=2024-01-01 00:00:00 UTC", "KBUILD_BUILD_VERSION=1"),
        *("KBUILD_BUILD_USER=testbed", "KBUILD_BUILD_HOST=testbed", "LC_ALL=C", "TZ=UTC"),
        *(f"KCFLAGS={maps}", f"KAFLAGS={maps}"),
    ]


def _remaining(fraction: float, elapsed_s: float) -> str:
    if fraction < 0.02:
        return "compiling"
    return f"compiling, about {max(elapsed_s / fraction - elapsed_s, 0) / 60:.0f} min left"


def _files_expected(cache: Path) -> int:
    try:
        return int((cache / "files").read_text())
    except (OSError, ValueError):
        return _FILES_GUESS


def _set_ticks(kconfig: Path) -> None:
    """Set the guest's ticks per second in the source: User-Mode Linux has no option for it."""
    text, count = re.subn(r"(config HZ\n\s+int\n\s+default )\d+", rf"\g<1>{kernel.TICKS_PER_S}", kconfig.read_text())
    if count != 1:
        raise TestbedError(f"{kconfig.name} of this source has no 'config HZ' as expected", "Use another --source.")
    kconfig.unlink()  # the tree may consist of hard links
    kconfig.write_text(text)


def check_config(config: str) -> None:
    """Check that a kernel's .config has every option of ours. Errors: MachineError listing those it lacks."""
    if lost := kernel.options_lost(config):
        raise MachineError(f"this kernel source does not support: {', '.join(lost)}", "Use another --source.")


def _make(command: list[str], log: Path, each: Callable[[str], None], mode: str) -> None:
    with log.open(mode) as file:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                file.write(line)
                each(line)
            code = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if code:
        last = [line for line in log.read_text(errors="replace").splitlines() if line.strip()][-5:]
        raise MachineError("building the guest kernel failed; the last lines:\n" + "\n".join(last), f"The log is {log}")
