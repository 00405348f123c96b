"""What repeated trials say. Thin over numpy and scipy; values keep their unit.

``summaries``: medians, quartiles, percentiles, intervals. ``survival``: distributions where some trials were censored.
``differences``: whether two samples differ, and by how much. ``fits``: a sample against a distribution of
theory, and the interval of its parameter. scipy takes most of a second to load, so the functions that use it load it.
"""

from testbed.stats.differences import Difference, delta, difference, fisher, holm
from testbed.stats.fits import (
    LEAST_FOR_LAW,
    Fit,
    high_end_interval,
    low_end_interval,
    quantile_fit,
    uniform_fit,
    uniform_power,
)
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
    "LEAST_FOR_LAW",
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
    "high_end_interval",
    "holm",
    "low_end_interval",
    "median_interval",
    "percentile",
    "quantile_fit",
    "summary",
    "survival",
    "uniform_fit",
    "uniform_power",
]
