"""How good are scores and labels: average precision (Eq. 15), accuracy, risks (Eq. 6, 8), rankings (Figure 4)."""

from labelhedge.evaluation.accuracy import accuracy
from labelhedge.evaluation.bootstrap import Estimate
from labelhedge.evaluation.label_risks import LabelRisks
from labelhedge.evaluation.parabola import pseudo_label_risk
from labelhedge.evaluation.precision import average_precision, mean_average_precision
from labelhedge.evaluation.ranking import Ranking, rank
from labelhedge.evaluation.risks import RiskAnalysis, RuleRisk, analyse_risk, cross_term

__all__ = [
    "Estimate",
    "LabelRisks",
    "Ranking",
    "RiskAnalysis",
    "RuleRisk",
    "accuracy",
    "analyse_risk",
    "average_precision",
    "cross_term",
    "mean_average_precision",
    "pseudo_label_risk",
    "rank",
]
