"""What repeated trials say. Thin over numpy and scipy; values keep their unit.

``summaries``: medians, quartiles, percentiles, intervals. ``survival``: distributions where some trials were censored.
``differences``: whether two samples differ, and by how much. ``fits``: a sample against a distribution of theory.
"""

from testbed.stats.differences import Difference, delta, difference, fisher, holm
from testbed.stats.fits import Fit, uniform_fit
from testbed.stats.summaries import (
    LEAST_FOR_INTERVAL,
    RESAMPLES,
    Summary,
    ecdf,
    median_interval,
    percentile,
    summary,
)
from testbed.stats.survival import Survival, dkw_band, survival

__all__ = [
    "LEAST_FOR_INTERVAL",
    "RESAMPLES",
    "Difference",
    "Fit",
    "Summary",
    "Survival",
    "delta",
    "difference",
    "dkw_band",
    "ecdf",
    "fisher",
    "holm",
    "median_interval",
    "percentile",
    "summary",
    "survival",
    "uniform_fit",
]
