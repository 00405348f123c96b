"""Installation of the testbed: `make setup`, or `pip install -e .[dev]` in a virtual environment.

The minimum versions are the oldest that the tests have run with.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

_VERSION = re.search(r'^__version__ = "(.+)"$', Path("testbed/__init__.py").read_text(), re.MULTILINE)
assert _VERSION is not None

#: Beside testbed/ in a checkout; installed inside it, where they are in nobody's way (testbed/__init__.py finds them).
_BESIDE = {"testbed.topologies": "topologies", "testbed.experiments": "experiments"}

#: Only data frames and Parquet need these.
_FRAMES = ["pandas>=3.1", "pyarrow>=26.0"]

setup(
    name="testbed",
    version=_VERSION[1],
    description="A laboratory for link redundancy: bonding, LACP and failover, measured and drawn",
    long_description=Path("README.md").read_text(),
    long_description_content_type="text/markdown",
    author="The testbed developers",
    python_requires=">=3.11",
    packages=[*find_packages(include=["testbed", "testbed.*"]), *_BESIDE],
    package_dir=_BESIDE,
    package_data={
        "testbed.backends.guest": ["*.config", "*.c"],
        "testbed.emulation": ["*.c"],
        "testbed.report": ["*.html"],
        "testbed.theory": ["*.toml"],
    },
    install_requires=[
        "click>=8.5",
        "jinja2>=3.1",
        "matplotlib>=3.11",
        "mininet>=2.3.0.dev6",
        "numpy>=2.4",
        "os-ken>=4.2.2",
        "ovs>=4.0",
        "packaging>=24.0",
        "pyroute2>=0.9.7",
        "pyyaml>=6.0.3",
        "rich>=15.0",
        "scipy>=1.17",
        # Mininet imports distutils, which Python 3.12 removed and setuptools provides.
        "setuptools>=65.5; python_version >= '3.12'",
    ],
    extras_require={
        "frames": _FRAMES,
        "dev": [
            *_FRAMES,
            "hypothesis>=6.170",
            "import-linter>=2.17",
            "mypy>=2.4",
            "pytest>=9.2",
            "pytest-xdist>=3.8",
            # One series only: the next may format differently.
            "ruff>=0.17.6,<0.18",
            "types-PyYAML>=6.0.12",
        ],
        # For the controllers on Ryu, in an environment of its own that holds nothing else: `make setup-ryu`. Ryu builds
        # only with setuptools before 58, which does not run on Python 3.12 and newer.
        "ryu": ["ryu==4.34", "pyyaml>=6.0.3"],
    },
    entry_points={"console_scripts": ["testbed = testbed.__main__:main"]},
)
