"""A spec as a picture: in a terminal, as a list, as SVG. Pure: values in, text out.

``marks`` names elements (links by name, interfaces, nodes) to highlight, such as single points of failure.
"""

from __future__ import annotations

from testbed.drawing.listing import listing, rate_text
from testbed.drawing.terminal import picture
from testbed.drawing.vector import svg

__all__ = ["listing", "picture", "rate_text", "svg"]
