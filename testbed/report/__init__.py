"""The report, from a loaded run only: one HTML file that opens offline."""

from testbed.report.page import problems, write_report
from testbed.report.tables import case_rows, factor_names
from testbed.report.verdicts import REACHED, Verdict, verdicts

__all__ = ["REACHED", "Verdict", "case_rows", "factor_names", "problems", "verdicts", "write_report"]
