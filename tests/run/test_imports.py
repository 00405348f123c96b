"""An own controller's imports: whatever its trials do not have is one error before the first, with what to type."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from testbed.backends.runtime import contents, distributions
from testbed.errors import SpecError
from testbed.run import imports, own_code, own_controllers
from testbed.run.prepare import Request, prepare
from testbed.schemes import own_controller, requirements

APPLICATION = "from os_ken.base.app_manager import OSKenApp\n{}class App(OSKenApp):\n    pass\n"
EXAMPLE = re.search(r"```python\n(.*?)```", (requirements.PROJECT / "docs" / "controllers.md").read_text(), re.DOTALL)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    own_controller.read_copies(None)
    return tmp_path


def checked(text: str, packages: tuple[str, ...] = (), *, image: bool = True) -> None:
    Path("app.py").write_text(text)
    own_controller.read.cache_clear()
    own_controllers.check_imports(["app.py"], packages, image=image)


def refused(text: str, **more: bool) -> SpecError:
    with pytest.raises(SpecError) as caught:
        checked(text, **more)  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize("image", [True, False])
def test_what_every_trial_has_may_be_imported(image: bool) -> None:
    assert EXAMPLE is not None
    checked(EXAMPLE[1], image=image)
    Path("helper.py").write_text("import yaml\nfrom testbed.spec import Topology\n")
    checked(APPLICATION.format("import json, numpy\nimport xml.etree.ElementTree\nimport helper\n"), image=image)


def test_a_package_that_trials_lack_is_named_with_what_to_write() -> None:
    """matplotlib is installed here, and is not in the image: it only draws."""
    error = refused(APPLICATION.format("import matplotlib.pyplot\n"))
    assert error.message == (
        "app.py, line 2: imports matplotlib.pyplot, which is not among the packages that a trial sees"
    )
    assert error.hint == "Add to the file: PACKAGES = ('matplotlib',)"
    checked(APPLICATION.format("import matplotlib.pyplot\n"), ("matplotlib",))
    assert "PACKAGES = ('pillow',)" in refused(APPLICATION.format("import PIL\n")).hint


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        ("def later():\n    import scipy\n", "line 3: imports scipy"),
        ("try:\n    import scipy\nfinally:\n    pass\n", "line 3: imports scipy"),
        ("import no_such_module\n", "line 2: imports no_such_module, which is not among"),
        ("from os_ken.lib.paket import ethernet\n", "line 2: imports os_ken.lib.paket"),
        ("from . import helper\n", "line 2: imports ., relative to a package, and the file is in none"),
        ("from .helper import f\n", "line 2: imports .helper, relative to a package"),
        ("import tkinter\n", "line 2: imports tkinter, a part of Python's library that no trial has"),
        ("from testbed.results import result\n", "line 2: imports testbed.results, which only reads results"),
        ("import parts.one\n", "line 2: imports parts.one, which is a directory: only Python files"),
    ],
)
def test_each_kind_of_missing_module_is_refused(lines: str, where: str) -> None:
    Path("parts").mkdir()
    error = refused(APPLICATION.format(lines))
    assert f"app.py, {where}" in error.message and error.hint


def test_a_file_beside_it_is_followed() -> None:
    Path("helper.py").write_text("import json\n\nimport scipy\n")
    assert "helper.py, line 3: imports scipy" in refused(APPLICATION.format("import helper\n")).message


@pytest.mark.parametrize(
    "lines",
    [
        "try:\n    import scipy\nexcept ImportError:\n    scipy = None\n",
        "try:\n    import scipy\nexcept (ValueError, ModuleNotFoundError):\n    scipy = None\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import scipy\n",
    ],
)
def test_what_it_can_do_without_may_be_missing(lines: str) -> None:
    checked(APPLICATION.format(lines))


def test_without_the_image_this_machines_packages_count() -> None:
    checked(APPLICATION.format("import scipy\nimport tkinter\n"), image=False)
    error = refused(APPLICATION.format("import no_such_module\n"), image=False)
    assert error.hint == "Type: pip install 'no_such_module'"


@pytest.mark.skipif(not requirements.RYU_PYTHON.exists(), reason="Ryu is not installed (make setup-ryu)")
def test_on_ryu_an_application_has_ryus_packages() -> None:
    application = "from ryu.base.app_manager import RyuApp\n{}class App(RyuApp):\n    pass\n"
    checked(application.format("from ryu.lib import hub\nimport eventlet, yaml\n"))
    error = refused(application.format("import numpy\n"))
    assert "app.py, line 2: imports numpy" in error.message and "for os-ken may ask for more" in error.hint
    assert "imports ryu.lib.hubb" in refused(application.format("import ryu.lib.hubb\n")).message
    Path("app.py").write_text(application.format("PACKAGES = ('numpy',)\n"))
    own_controller.read.cache_clear()
    with pytest.raises(SpecError, match="has PACKAGES, but on Ryu"):
        own_controller.read(Path("app.py"))


def test_the_packages_that_it_asks_for_are_those_of_the_run() -> None:
    Path("app.py").write_text(APPLICATION.format("PACKAGES = ('networkx', 'scipy')\n"))
    settings = {"controller": "testbed,app.py", "mode": "active-backup"}
    found = prepare(Request("failover", None, settings, 1, 1, False, "auto", "virtual"), [])
    assert found.packages == ("networkx", "scipy")
    assert prepare(Request("failover", None, {}, 1, 1, False, "auto", "virtual"), []).packages == ()


@pytest.mark.parametrize("value", ["f()", "{'a': 1}", "'scipy'", "(1,)"])
def test_packages_that_are_no_plain_names_are_refused(value: str) -> None:
    Path("app.py").write_text(APPLICATION.format(f"PACKAGES = {value}\n"))
    with pytest.raises(SpecError, match=r"PACKAGES in app\.py, line 2 is not plain; wanted names of distributions"):
        own_controller.read(Path("app.py"))


def test_an_experiment_may_not_import_what_the_images_library_lacks(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import tkinter\n")
    with pytest.raises(SpecError, match=r"line 1: imports tkinter, a part of Python's library that no trial has"):
        own_code.check_imports(str(tmp_path / "mine.py"), ())


def test_the_images_library_is_what_is_copied_into_it() -> None:
    """Every module of Python's library that the check lets pass is among the files of the base, or built in."""
    entries = {entry.path for entry in contents._python()}
    names = {path.partition("/lib/python3.")[2].partition("/")[2].partition("/")[0] for path in entries}
    copied = {name.partition(".")[0] for name in names} | {
        path.rpartition("/")[2].partition(".")[0] for path in entries if "/lib-dynload/" in path
    }
    import sys

    there = copied | set(sys.builtin_module_names)
    others = {name for name in contents.library() if name not in there}
    assert all(name in _ELSEWHERE for name in others), sorted(others)


#: Of other systems (sys.stdlib_module_names has the modules of every platform), or not built here.
_ELSEWHERE = {
    *("_msi", "_overlapped", "_scproxy", "_winapi", "msilib", "msvcrt", "nt", "ntpath", "winreg", "winsound", "_wmi"),
    *("_android_support", "_apple_support", "_ios_support", "_dbm", "_gdbm", "_frozen_importlib"),
    *("_frozen_importlib_external",),
}


def test_the_modules_of_a_package_are_those_of_its_files() -> None:
    found = distributions.submodules(distributions.closure(("os-ken",)), "os_ken")
    assert {"os_ken", "os_ken.base.app_manager", "os_ken.lib.packet"} <= found and "os_ken.lib.paket" not in found


def test_imports_are_found_wherever_they_stand() -> None:
    import ast

    tree = ast.parse(
        "import a\nif x:\n    import b.c\nclass C:\n    from d import e\n    def f(self):\n        import g\n"
    )
    assert sorted(imports.imports(tree)) == [(1, "a"), (3, "b.c"), (5, "d")]
    assert sorted(imports.imports(tree, later=True)) == [(1, "a"), (3, "b.c"), (5, "d"), (7, "g")]
