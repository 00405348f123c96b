"""What the parts of the image hold.

/opt/testbed/python     the base Python: interpreter and standard library
/opt/testbed/venv       a virtual environment on it, with the distributions that a trial imports
/opt/testbed/project    testbed, topologies, experiments (a part of its own)
/usr/bin                the programs that a trial runs
/usr/lib/...            their libraries, all in one directory
/etc                    users, hosts, names of protocols: the same everywhere
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import Distribution
from pathlib import Path

import testbed
from testbed.backends import environment
from testbed.backends.runtime import distributions, libraries
from testbed.backends.runtime.layer import Content, Entry, remembered
from testbed.errors import MachineError, SpecError

#: What the testbed's code imports inside a trial; their requirements come with them. The rest of install_requires
#: (setup.py) serves the command line, figures and reports.
PACKAGES = (
    "mininet",
    "numpy",
    "os-ken",
    "ovs",
    "pyroute2",
    "pyyaml",
    "setuptools; python_version >= '3.12'",
)
#: The packages of the testbed that only read results: they do not affect a trial, and are not in the image.
READERS = ("campaign", "cli", "drawing", "figures", "report", "results")
#: Programs without which no trial can run, and those without which only some cannot: these say so themselves.
_PROGRAMS = (
    *("bash", "sh", "env", "setarch", "mnexec", "ip", "tc"),
    *("ovs-vswitchd", "ovsdb-server", "ovs-vsctl", "ovsdb-tool"),
)
_OPTIONAL = (
    *("mount", "umount", "sysctl", "iperf3", "ethtool", "teamd", "teamdctl", "teamnl", "ping", "ifconfig", "ss"),
    *("ovs-appctl", "ovs-ofctl", "ovs-dpctl", "nsenter", "unshare", "setpriv", "taskset", "kill", "ps", "which"),
    *("cat", "chmod", "cp", "cut", "date", "dd", "echo", "expr", "false", "grep", "head", "hostname", "id", "ln"),
    *("ls", "mkdir", "mv", "printf", "pwd", "readlink", "rm", "rmdir", "sed", "seq", "sleep", "sort", "stty", "tail"),
    *(
        "bird",
        "birdcl",
        "zebra",
        "bgpd",
        "bfdd",
        "keepalived",
        "nft",
        "conntrackd",
        "haproxy",
        "gdnsd",
        "gdnsdctl",
        "bridge",
        "tee",
        "test",
        "touch",
        "tr",
        "true",
        "uname",
        "uniq",
        "wc",
        "awk",
        "xargs",
        "find",
    ),
)
_SCHEMAS = ("/usr/share/openvswitch/vswitch.ovsschema", "/usr/local/share/openvswitch/vswitch.ovsschema")

_PYTHON = "opt/testbed/python"
_VENV = "opt/testbed/venv"
#: The libraries that some programs are started with (testbed.emulation.preloads): where they are, and their names.
_PRELOADS, _PRELOADED = "usr/lib/testbed", ("pause", "polls")
_VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
#: Parts of the standard library that no trial uses, and what belongs to one machine.
_NO_LIBRARY = {"__pycache__", "test", "tests", "idlelib", "lib2to3", "tkinter", "turtledemo", "ensurepip"}
_NO_LIBRARY |= {"site-packages", "dist-packages", "pydoc_data", "idle_test"}
_NO_FILE = re.compile(
    r"(_tkinter|_test\w*|_ctypes_test|xxlimited\w*)\..*|(site|user)customize\.py|turtle\.py|.*\.(pyc|a|o)"
)

_ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "group": "root:x:0:\nfrrvty:x:65533:\nnogroup:x:65534:\n",  # FRR does not start without its own
    "hosts": "127.0.0.1 localhost testbed\n::1 localhost\n",
    "hostname": "testbed\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nprotocols: files\nservices: files\n",
    "protocols": "ip 0 IP\nicmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\nipv6-icmp 58 IPv6-ICMP\nsctp 132 SCTP\n",
    "services": "domain 53/tcp\ndomain 53/udp\nopenflow 6653/tcp\novsdb 6640/tcp\n",
}
_EMPTY = ("dev", "proc", "sys", "tmp", "run", "root", "mnt", "var/tmp", "var/log", "opt/testbed/project")


def base(packages: Sequence[str], programs: Sequence[str]) -> Content:
    """The guest's root. Errors: SpecError for a package or program that is asked for and not installed; MachineError
    for one that every trial needs."""
    entries = [Entry(path) for path in _EMPTY]
    entries += [Entry(f"etc/{name}", text=text) for name, text in _ETC.items()]
    entries += [Entry(path, link=to) for path, to in (("bin", "usr/bin"), ("sbin", "usr/bin"), ("usr/sbin", "bin"))]
    entries += [Entry("lib", link="usr/lib"), Entry("var/run", link="/run")]
    entries += [*_python(), *_venv(_VENV, distributions.closure((*PACKAGES, *packages)).values())]
    entries += [*_programs(programs), _schema()]
    return Content("/", [*entries, *_libraries(entries), *_preloads()])


def library() -> set[str]:
    """The modules of Python's library that the base has."""
    names = sys.stdlib_module_names
    return {name for name in names if name not in _NO_LIBRARY and not _NO_FILE.fullmatch(f"{name}.py")}


def ryu_distributions(directory: Path) -> dict[str, Distribution]:
    """The distributions of Ryu's environment that the image has. Errors: SpecError if it is not complete."""
    (packages,) = directory.glob("lib/python*/site-packages")
    return distributions.closure(("ryu", "pyyaml", "setuptools"), [str(packages)])


def project(directory: Path) -> Content:
    """The testbed's own code."""
    entries = [Entry(name, path) for name, path in code_files(directory)]
    return Content(environment.IMAGE.project, [Entry(".venv-ryu"), *entries])


def code_files(directory: Path) -> Iterator[tuple[str, Path]]:
    """Our files below ``directory`` that affect a trial: those of topologies, experiments and testbed but `READERS`.

    Each with its name in a checkout, so that one installed from a wheel gives the same trials.
    """
    for part in ("experiments", "testbed", "topologies"):
        place = testbed.directory_of(part, directory)
        elsewhere = (*READERS, *testbed.BESIDE) if part == "testbed" else READERS
        for path in sorted(place.rglob("*")):
            below = path.relative_to(place)
            if path.is_file() and path.suffix != ".pyc" and below.parts[0] not in elsewhere:
                yield f"{part}/{below.as_posix()}", path


def ryu(directory: Path) -> Content:
    """The environment of Ryu, with what Ryu needs. Errors: SpecError if it is not complete."""
    place = f"{environment.IMAGE.project}/.venv-ryu"
    return Content(place, [*_venv("", ryu_distributions(directory).values())])


def _python() -> Iterator[Entry]:
    """The base Python, with its executable under the name of its version."""
    yield Entry(f"{_PYTHON}/bin/{_VERSION}", Path(os.path.realpath(sys.executable)), executable=True)
    library = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
    for place, names, files in os.walk(library):
        below = Path(place).relative_to(library)
        names[:] = sorted(name for name in names if name not in _NO_LIBRARY and not name.startswith("config-"))
        for name in sorted(files):
            if not _NO_FILE.fullmatch(name):
                yield Entry(f"{_PYTHON}/lib/{_VERSION}/{below / name}", Path(place) / name)


def _venv(place: str, found: Iterable[Distribution]) -> Iterator[Entry]:
    """A virtual environment on the base Python that holds these distributions."""
    start = f"{place}/" if place else ""
    yield Entry(f"{start}bin/python", link=f"/{_PYTHON}/bin/{_VERSION}")
    text = f"home = /{_PYTHON}/bin\ninclude-system-site-packages = false\nversion = {platform.python_version()}\n"
    yield Entry(f"{start}pyvenv.cfg", text=text)
    for distribution in found:
        for name, path in distributions.files(distribution):
            yield Entry(f"{start}lib/{_VERSION}/site-packages/{name}", path)


def _programs(more: Sequence[str]) -> Iterator[Entry]:
    for name in (*_PROGRAMS, *_OPTIONAL, *more):
        found = shutil.which(name, path=environment.SEARCH)
        if found is not None:
            yield Entry(f"usr/bin/{name}", Path(found).resolve(), executable=True)
        elif name in more:
            raise SpecError(f"the program {name!r} is not installed", "Install it, or take it out of programs=(...).")
        elif name in _PROGRAMS:
            raise MachineError(f"the program {name} is not installed", "See: testbed check")


def _schema() -> Entry:
    for name in _SCHEMAS:
        if Path(name).exists():
            return Entry(_SCHEMAS[0].lstrip("/"), Path(name))
    raise MachineError("Open vSwitch is not installed", "Type: apt-get install openvswitch-switch")


def _libraries(entries: Sequence[Entry]) -> Iterator[Entry]:
    """The libraries of everything in ``entries``, and the loader."""
    with_code = [entry for entry in entries if entry.executable or (entry.source and ".so" in entry.source.name)]
    paths = sorted({entry.source for entry in with_code if entry.source and libraries.is_elf(entry.source)})
    known = {entry.source.resolve() for entry in with_code if entry.source}
    cache = Path("/etc/ld.so.cache")
    stamps = [entry.stamp() for entry in with_code] + [repr(cache.stat().st_mtime_ns if cache.exists() else 0)]

    def computed() -> str:
        needed = libraries.needed(paths, known)
        return json.dumps([needed.loader, needed.directory, {name: str(path) for name, path in needed.files.items()}])

    loader, directory, files = json.loads(remembered("\n".join(["libraries", *stamps]), computed))
    for path in (loader, directory):
        if (top := path.split("/")[1]) not in ("lib", "usr"):
            yield Entry(top, link=f"usr/{top}")
    yield Entry(_merged(loader), Path(loader).resolve(), executable=True)
    for name, path in files.items():
        yield Entry(f"{_merged(directory)}/{name}", Path(path).resolve())


def _merged(path: str) -> str:
    """A path below the root where /bin and /lib are links into /usr."""
    return path.lstrip("/") if path.startswith("/usr/") else f"usr{path}"


def _preloads() -> Iterator[Entry]:
    """The sources of the libraries that some programs are started with, and their compiler: `finish` compiles them."""
    if (compiler := shutil.which("gcc", path=environment.SEARCH)) is not None:
        version = subprocess.run([compiler, "-dumpfullversion"], capture_output=True, text=True).stdout
        for name in _PRELOADED:
            yield Entry(f"{_PRELOADS}/{name}.c", environment.PROJECT / "testbed" / "emulation" / f"{name}.c")
        yield Entry(f"{_PRELOADS}/compiler", text=version)


def finish(content: Content, root: Path) -> dict[str, object]:
    """Compile what is to be compiled in the new base. Returns what is recorded of it: versions of everything in it, and
    SHA-256 of the programs, Python and the C library."""
    for name in _PRELOADED:
        if (source := root / _PRELOADS / f"{name}.c").exists():
            words = ["gcc", "-shared", "-fPIC", "-O1", "-o", str(source.with_suffix(".so")), str(source), "-ldl"]
            subprocess.run(words, check=True, env={"PATH": environment.SEARCH})
    by_path = {entry.path: entry.source for entry in content.entries if entry.source is not None}
    versions = {"python": platform.python_version(), "libc": " ".join(platform.libc_ver())}
    digests = {}
    for path in by_path:
        name = path.rpartition("/")[2]
        short = {_VERSION: "python", "libc.so.6": "libc"}.get(name, name)
        if path.startswith("usr/bin/") or short in ("python", "libc"):
            digests[short] = hashlib.sha256((root / path).read_bytes()).hexdigest()
    for name in ("ovs-vswitchd", "iperf3", "bird", "bgpd", "keepalived", "nft", "haproxy", "gdnsd"):
        if (program := by_path.get(f"usr/bin/{name}")) is not None:
            said = subprocess.run([str(program), "--version"], capture_output=True, text=True)
            found = re.search(r"\d+\.\d[\d.]*", said.stdout + said.stderr)  # bird says it on stderr
            versions[name] = found[0] if found else "unknown"
    for metadata in sorted(root.glob(f"{_VENV}/lib/*/site-packages/*.dist-info/METADATA")):
        name, _, version = metadata.parent.name.removesuffix(".dist-info").rpartition("-")
        versions[distributions.canonical(name)] = version
    return {"versions": versions, "digests": digests}
