"""The report of a run: one HTML file that opens offline, made from the run's files alone."""

from testbed.report.page import doubts, write_report
from testbed.report.tables import case_rows
from testbed.report.verdicts import REACHED, Verdict, verdicts

__all__ = ["REACHED", "Verdict", "case_rows", "doubts", "verdicts", "write_report"]
