"""From results to a page with pictures, and to the labels that look wrong."""

from labelhedge.report.page import write_report
from labelhedge.report.suspicion import Suspect, rank_suspects, write_labels

__all__ = ["Suspect", "rank_suspects", "write_labels", "write_report"]
