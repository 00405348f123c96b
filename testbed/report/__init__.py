"""The report, from a loaded run only: one HTML file that opens offline."""

from testbed.report.page import problems, write_report
from testbed.report.tables import case_rows
from testbed.report.verdicts import REACHED, Verdict, verdicts

__all__ = ["REACHED", "Verdict", "case_rows", "problems", "verdicts", "write_report"]
