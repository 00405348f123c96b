"""Which code made a run: the checkout's commit, and a digest of every file that affects a trial's bytes."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from testbed.backends.environment import PROJECT
from testbed.backends.kernel import file_digest
from testbed.backends.runtime.contents import code_files
from testbed.run.executor import GuestBackend


def commit() -> str | None:
    """The checkout's commit, with a plus if files were changed since; None outside a checkout."""
    git = shutil.which("git")
    if git is None or not (PROJECT / ".git").exists():
        return None

    def ask(*words: str) -> str:
        return subprocess.run([git, "-C", str(PROJECT), *words], capture_output=True, text=True).stdout.strip()

    head = ask("rev-parse", "HEAD")
    return head + ("+" if ask("status", "--porcelain", "--untracked-files=no") else "") if head else None


def code_digest(project: Path = PROJECT) -> str:
    """A digest of all our files that carry out or measure a trial; while it is the same, so are a trial's bytes."""
    digest = hashlib.sha256()
    for name, path in code_files(project):
        content = path.read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def digests(guest: GuestBackend | None) -> dict[str, str]:
    """The SHA-256 of the kernel and of the image's programs; empty where trials see the machine's own files."""
    if guest is None or guest.runtime is None:
        return {}
    return {"kernel": file_digest(guest.kernel.path), **guest.runtime.digests}
