"""Where the guest kernel's source comes from: a signed Debian package, or a file or directory of the user's.

apt fetches the package, with lists, cache and configuration of our own in a given directory. So the machine's apt is
read (its mirror, its proxy) but never changed, and root is not needed. apt also checks the signatures: it refuses a
list without a valid signature, and a package that does not match its list.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.backends.kernel import file_digest
from testbed.errors import MachineError, SpecError

#: The first Linux whose User-Mode Linux has the seccomp mode (an exec in 10 ms instead of 40 to 50).
OLDEST = (6, 16)
HINT = (
    "Give a Linux source, 6.16 or newer: testbed kernel build --source FILE|DIR"
    " (a tarball linux-*.tar.xz or an unpacked tree)"
)
_KEYRINGS = {
    "debian": "/usr/share/keyrings/debian-archive-keyring.gpg",
    "ubuntu": "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
}
_COMPONENTS = {"debian": "main", "ubuntu": "main universe"}
_PACKAGE = re.compile(r"linux-source-(\d+)\.(\d+)(?:\.\d+)?")


@dataclass(frozen=True)
class Source:
    """An unpacked Linux source that may be changed, where it came from, and the SHA-256 of the file (package or
    archive) that it came in."""

    directory: Path
    origin: str
    sha256: str | None = None


@dataclass(frozen=True)
class Mirror:
    """A site that the machine's apt uses, with the suites that it gets from there."""

    site: str
    suites: tuple[str, ...]


def distribution(os_release: str) -> str:
    """``debian`` or ``ubuntu`` from the text of os-release(5): the machine's own, or what it derives from."""
    values = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    words = [values.get("ID", ""), *values.get("ID_LIKE", "").strip("\"'").split()]
    for word in words:
        if word.strip("\"'") in _KEYRINGS:
            return word.strip("\"'")
    raise MachineError(f"this machine is {words[0] or 'of unknown kind'}; wanted Debian or Ubuntu to fetch from", HINT)


def mirror(print_uris: str, origin: str) -> Mirror:
    """The machine's main mirror, from the output of ``apt-get update --print-uris``.

    It is the site with the most suites: a security archive or a vendor's repository has one. A site named like the
    distribution is preferred.
    """
    sites: dict[str, list[str]] = {}
    for site, suite in re.findall(r"^'([^']+?)/dists/([^']+)/InRelease'", print_uris, re.MULTILINE):
        if not suite.endswith(("-security", "/updates")):
            sites.setdefault(site, []).append(suite)
    if not sites:
        raise MachineError(f"apt has no {origin} mirror configured; wanted one to fetch the kernel source from", HINT)
    best = max(sites, key=lambda site: (site.rstrip("/").endswith(origin), len(sites[site])))
    return Mirror(best, tuple(dict.fromkeys(sites[best])))


def newest_package(names: Sequence[str]) -> str | None:
    """The newest ``linux-source-X.Y`` of these names, if it is new enough; else None."""
    found = [
        ((int(match[1]), int(match[2])), name) for name in names if (match := _PACKAGE.fullmatch(name)) is not None
    ]
    return max((pair for pair in found if pair[0] >= OLDEST), default=((0, 0), None))[1]


def tree_version(makefile: str) -> tuple[int, int, int]:
    """The version in the top Makefile of a Linux tree."""
    parts = [re.search(rf"^{word} = (\d+)$", makefile, re.MULTILINE) for word in ("VERSION", "PATCHLEVEL", "SUBLEVEL")]
    if None in parts:
        raise SpecError("the Makefile is not Linux's: it has no version", HINT)
    major, minor, patch = (int(part[1]) for part in parts if part is not None)
    return major, minor, patch


def check_tree(tree: Path) -> str:
    """The version of an unpacked source. Errors: SpecError unless it is Linux with User-Mode Linux, and new enough."""
    if not (tree / "Makefile").is_file() or not (tree / "arch" / "um").is_dir():
        raise SpecError(f"{tree} is not a Linux source tree; wanted a directory with Makefile and arch/um", HINT)
    version = tree_version((tree / "Makefile").read_text())
    if version[:2] < OLDEST:
        raise SpecError(f"{tree} is Linux {'.'.join(map(str, version))}; wanted 6.16 or newer", HINT)
    return ".".join(map(str, version))


class _Apt:
    """apt, with configuration, lists and cache in ``directory``."""

    def __init__(self, directory: Path) -> None:
        if shutil.which("apt-get") is None:
            raise MachineError("apt-get is not installed; wanted it to fetch a signed kernel source", HINT)
        self.directory = directory
        for name in ("lists/partial", "cache/archives/partial", "packages"):
            (directory / name).mkdir(parents=True)
        # A file, not -o options: only a file can clear the hooks that would change the machine's own cache.
        (directory / "apt.conf").write_text(
            f'Dir::Etc::sourcelist "{directory}/sources.list";\n'
            'Dir::Etc::sourceparts "-";\n'
            f'Dir::State::lists "{directory}/lists";\n'
            f'Dir::Cache "{directory}/cache";\n'
            'APT::Sandbox::User "root";\n'
            'APT::Get::AllowUnauthenticated "false";\n'
            'Acquire::AllowInsecureRepositories "false";\n'
            'Acquire::Languages "none";\n'
            "#clear APT::Update::Pre-Invoke;\n"
            "#clear APT::Update::Post-Invoke;\n"
            "#clear APT::Update::Post-Invoke-Success;\n"
        )

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of apt's programs and return its output."""
        return subprocess.run(
            [program, "-c", str(self.directory / "apt.conf"), *arguments],
            capture_output=True,
            text=True,
            cwd=self.directory / "packages",
            env={**os.environ, "LC_ALL": "C"},
        )

    def update(self, place: Mirror, suites: Sequence[str], origin: str) -> str:
        """Fetch the lists of these suites. Returns apt's error output."""
        lines = [
            f"deb [signed-by={_KEYRINGS[origin]}] {place.site} {suite} {_COMPONENTS[origin]}\n" for suite in suites
        ]
        (self.directory / "sources.list").write_text("".join(lines))
        return self.run("apt-get", "update").stderr.strip()


def _suites(apt: _Apt, place: Mirror, origin: str) -> tuple[list[str], str]:
    """The suites to search, with their lists fetched, and apt's error output.

    On any Debian these include the newest stable release and its backports: a source needs no libraries.
    """
    suites = list(place.suites)
    if origin != "debian":
        return suites, apt.update(place, suites, origin)
    suites = list(dict.fromkeys([*suites, "stable"]))
    trouble = apt.update(place, suites, origin)
    names = apt.run("apt-get", "indextargets", "--format", "$(SUITE) $(CODENAME)").stdout.split("\n")
    codenames = {line.split()[1] for line in names if line.startswith("stable ")}
    suites += [f"{name}-backports" for name in sorted(codenames) if f"{name}-backports" not in suites]
    return suites, apt.update(place, suites, origin) if codenames else trouble


def fetch(directory: Path, say: Callable[[str], None]) -> Source:
    """Fetch the newest signed kernel source into ``directory``.

    Its origin is the package's name and version. Errors: MachineError if the machine has no usable apt, is offline, or
    its distribution has no kernel source that is new enough.
    """
    origin = distribution(platform_release())
    if not Path(_KEYRINGS[origin]).exists():
        raise MachineError(
            f"{_KEYRINGS[origin]} is missing; wanted it to check signatures",
            f"apt-get install {origin}-archive-keyring",
        )
    apt = _Apt(directory / "apt")
    # The machine's own configuration with our empty lists: --print-uris needs no fetched list.
    asked = subprocess.run(
        ["apt-get", "update", "--print-uris", "-o", f"Dir::State::lists={apt.directory}/lists"],
        capture_output=True,
        text=True,
    )
    say("looking for the newest kernel source")
    suites, trouble = _suites(apt, mirror(asked.stdout, origin), origin)
    listed = apt.run("apt-cache", "search", "--names-only", "^linux-source-[0-9]").stdout.splitlines()
    names = sorted(line.split(" ", 1)[0] for line in listed)
    package = newest_package(names)
    if package is None:
        offered = ", ".join(names) or "none at all"
        raise MachineError(
            f"no linux-source package of 6.16 or newer in {', '.join(suites)}; found: {offered}"
            + (f"\napt said: {trouble}" if trouble else ""),
            HINT,
        )
    say(f"downloading {package}")
    got = apt.run("apt-get", "download", package)
    files = list((apt.directory / "packages").glob("*.deb"))
    if got.returncode or not files:
        raise MachineError(f"{package} could not be downloaded; apt said: {got.stderr.strip()}", HINT)
    say(f"unpacking {package}")
    show = ["dpkg-deb", "--show", "--showformat=${Package} ${Version}", str(files[0])]
    title = subprocess.run(show, check=True, capture_output=True, text=True).stdout
    subprocess.run(["dpkg-deb", "-x", str(files[0]), str(directory / "package")], check=True)
    tarballs = list((directory / "package").rglob("linux-source-*.tar.*"))
    if not tarballs:
        raise MachineError(f"{title} holds no linux-source-*.tar.*", HINT)
    return Source(unpack(tarballs[0], directory / "tree").directory, title, file_digest(files[0]))


def platform_release() -> str:
    """The text of os-release(5)."""
    try:
        return "".join(f"{key}={value}\n" for key, value in platform.freedesktop_os_release().items())
    except OSError:
        return ""


def unpack(source: Path, directory: Path) -> Source:
    """A writable copy below ``directory`` of a tarball (any compression that tar knows) or an unpacked tree.

    Its origin is the file's name and the version. Errors: SpecError if it is not a usable Linux source.
    """
    if not source.exists():
        raise SpecError(f"no file or directory {source}; wanted a Linux source", HINT)
    if source.is_dir():
        check_tree(source)
        # Hard links where the file system allows them: a file of the copy must be unlinked before it is changed.
        if subprocess.run(["cp", "-al", str(source), str(directory)], capture_output=True).returncode:
            shutil.rmtree(directory, ignore_errors=True)
            subprocess.run(["cp", "-a", str(source), str(directory)], check=True)
        return Source(directory, f"{source.name} ({check_tree(directory)})")
    directory.mkdir()
    done = subprocess.run(
        ["tar", "-x", "-f", str(source), "-C", str(directory)],
        capture_output=True,
        text=True,
        env={**os.environ, "XZ_OPT": "-T0"},
    )
    if done.returncode:
        raise SpecError(f"{source} cannot be unpacked; tar said: {done.stderr.strip()}", HINT)
    inside = list(directory.iterdir())
    tree = inside[0] if len(inside) == 1 else directory
    return Source(tree, f"{source.name} ({check_tree(tree)})", file_digest(source))
