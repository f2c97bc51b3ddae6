"""Is the fit good? Measures of a fitted q, each with the fault that it sees and those that it cannot (chapter 6).

| question | measure | blind to |
|---|---|---|
| do q's draws, weighted, stand for the posterior? | `pareto_k`, `importance_evidence` | modes that no draw has met |
| does the gradient rise above its noise? | `gradient_snr`, `optimism` | where the climb leads |
| is this the top? | `elbo_restarts` | tops that no start leads to |
| does the prior dominate? | `prior_dominance` | whether q is right |
| are intervals of the truth's width, over data sets? | `calibrate` | this data set |
| does the model predict such data? | `predictive_check` | whether q is right |
| are intervals of the posterior's width? | `interval_coverage` | anything, if the reference is wrong |
"""

from vi_lab.diagnostics.calibration import Calibration, calibrate
from vi_lab.diagnostics.checks import PredictiveCheck, predictive_check
from vi_lab.diagnostics.diagnose import diagnose
from vi_lab.diagnostics.importance import Evidence, ParetoK, importance_evidence, pareto_k
from vi_lab.diagnostics.intervals import interval_coverage
from vi_lab.diagnostics.noise import Restarts, elbo_restarts, gradient_snr, optimism
from vi_lab.diagnostics.prior import PriorDominance, prior_dominance
from vi_lab.diagnostics.report import FAULTS, Finding, Report

__all__ = [
    "FAULTS",
    "Calibration",
    "Evidence",
    "Finding",
    "ParetoK",
    "PredictiveCheck",
    "PriorDominance",
    "Report",
    "Restarts",
    "calibrate",
    "diagnose",
    "elbo_restarts",
    "gradient_snr",
    "importance_evidence",
    "interval_coverage",
    "optimism",
    "pareto_k",
    "predictive_check",
    "prior_dominance",
]
