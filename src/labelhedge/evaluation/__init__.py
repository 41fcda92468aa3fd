"""How good are scores and labels: average precision (Eq. 15), accuracy, and rankings (Figure 4)."""

from labelhedge.evaluation.accuracy import accuracy
from labelhedge.evaluation.precision import average_precision, mean_average_precision
from labelhedge.evaluation.ranking import Ranking, rank

__all__ = ["Ranking", "accuracy", "average_precision", "mean_average_precision", "rank"]
