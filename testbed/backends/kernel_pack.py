"""Hand a built kernel on: one tar file with kernel, library, configuration, build log and kernel.json.

kernel.json names the source package with its digest, and holds the digest of each file that is run; they are compared
when the file is unpacked. That shows damage, not who made the kernel: for that, compare the digests with another build
of the same source, which has the same bytes.
"""

from __future__ import annotations

import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import IO

from testbed.backends import guest, kernel, readiness, runtime
from testbed.backends.kernel import Kernel
from testbed.backends.kernel_build import Progress, lock, put
from testbed.errors import MachineError, SpecError

_FILES = ("kernel.json", kernel.BINARY, kernel.PRELOAD, "config", "build.log")
_BUILD = "type: testbed kernel build"


def pack(target: Path) -> Kernel:
    """Write the cached kernel into the file ``target``. Errors: MachineError without a kernel; SpecError for a file
    that exists or cannot be written."""
    found = kernel.find()
    if found is None:
        raise MachineError(kernel.lacking(), _BUILD.capitalize())
    try:
        with target.open("xb") as file:
            _write(file, target)
    except FileExistsError as error:
        raise SpecError(f"{target} exists; wanted the name of a new file", "Give another name.") from error
    except OSError as error:
        raise SpecError(
            f"{target} cannot be written: {error.strerror}", "Give a name in a directory of yours."
        ) from error
    return found


def _write(file: IO[bytes], target: Path) -> None:
    """All of it, or nothing is left."""
    try:
        with tarfile.open(fileobj=file, mode="w:gz") as tar:
            for name in _FILES:
                tar.add(kernel.entry() / name, name, filter=_anonymous)
    except BaseException:
        target.unlink()
        raise


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without the owner's name."""
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def unpack(source: Path, progress: Progress) -> Kernel:
    """Put the kernel of a packed file into the cache, after trying it in a guest.

    Errors: SpecError for a file that is no packed kernel, is damaged, or holds another kernel than this version needs;
    TrialError if it fails the self-test.
    """
    readiness.check((), in_guest=True)  # what is unpacked is tried in a guest
    cache = kernel.cache_root() / "kernel"
    with kernel.writing():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as name:
            _extracted(source, Path(name) / "out")  # what is refused waits for no build
        with lock(progress), tempfile.TemporaryDirectory(prefix="build-", dir=cache) as name:
            directory = Path(name) / "out"
            found = _extracted(source, directory)
            progress(None, "trying the kernel: a bond and a switch in a guest")
            guest.verify(found, runtime.prepared())
            put(found, directory)
    unpacked = kernel.find()
    assert unpacked is not None
    return unpacked


def _extracted(source: Path, directory: Path) -> Kernel:
    """The kernel in a packed file, with its files in a new directory. Errors: SpecError as of `unpack`."""
    _extract(source, directory)
    found = kernel.read(directory)
    if isinstance(found, str):
        raise SpecError(f"{source}: {found}", f"Copy the file again, or pack it again. Otherwise {_BUILD}")
    if found.key != kernel.key():
        raise SpecError(
            f"{source} holds the kernel {found.key}; this version of the testbed needs {kernel.key()}",
            f"Pack it where the same version of the testbed is installed. Otherwise {_BUILD}",
        )
    return found


def _extract(source: Path, directory: Path) -> None:
    directory.mkdir()
    try:
        with tarfile.open(source) as tar:
            for name in _FILES:
                content = tar.extractfile(name)
                if content is None:
                    raise KeyError(f"{name} is no file")
                (directory / name).write_bytes(content.read())
    except (OSError, EOFError, KeyError, tarfile.TarError, zlib.error) as error:
        reason = str(error).splitlines()[0].rstrip(":")
        raise SpecError(
            f"{source} is no packed kernel: {reason}", "Wanted a file that `testbed kernel pack FILE` wrote."
        ) from error
    for name in (kernel.BINARY, kernel.PRELOAD):
        (directory / name).chmod(0o755)
