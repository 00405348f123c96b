"""Installation of the testbed: `make setup`, or `pip install -e .[dev]` in a virtual environment.

The minimum versions are the oldest that the tests have run with.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

_VERSION = re.search(r'^__version__ = "(.+)"$', Path("testbed/__init__.py").read_text(), re.MULTILINE)
assert _VERSION is not None

#: What of the testbed gives data frames and Parquet; nothing else needs it.
_FRAMES = ["pandas>=3.1", "pyarrow>=26.0"]

setup(
    name="testbed",
    version=_VERSION[1],
    description="A laboratory for link redundancy: bonding, LACP and failover, measured and drawn",
    python_requires=">=3.11",
    packages=find_packages(include=["testbed", "testbed.*", "topologies", "experiments"]),
    package_data={
        "testbed.backends.guest": ["*.config", "*.c"],
        "testbed.emulation": ["*.c"],
        "testbed.report": ["*.html"],
    },
    install_requires=[
        "click>=8.5",
        "jinja2>=3.1",
        "matplotlib>=3.11",
        "mininet>=2.3.0.dev6",
        "numpy>=2.4",
        "os-ken>=4.2.2",
        "ovs>=4.0",
        "pyroute2>=0.9.7",
        "pyyaml>=6.0.3",
        "rich>=15.0",
        "scipy>=1.17",
        # Mininet imports distutils, which Python 3.12 dropped and setuptools supplies.
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
            # Held to one series: the next may format otherwise.
            "ruff>=0.17.6,<0.18",
            "types-PyYAML>=6.0.12",
        ],
        # For the controllers on Ryu, in an environment of its own: `make setup-ryu`. It has what they need and no
        # more. Ryu builds with setuptools before 58 only, which ends with Python 3.11.
        "ryu": ["ryu==4.34", "pyyaml>=6.0.3"],
    },
    entry_points={"console_scripts": ["testbed = testbed.cli:main"]},
)
