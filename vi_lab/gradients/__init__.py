"""Estimators of the ELBO's gradient in q: all of one signature, so that `fit` takes any of them (chapter 5).

    value, grad = estimator(q, key, log_joint, num_samples=..., ...)

`value` is an estimate of the ELBO (of the importance-weighted bound, for `doubly_reparameterized`), `grad` an
unbiased estimate of its gradient, to ascend: an object of q's class with one derivative a leaf.
"""

from vi_lab.gradients.measure import measure_valued
from vi_lab.gradients.pathwise import doubly_reparameterized, reparameterized, sticking_the_landing, stratified
from vi_lab.gradients.score import rao_blackwellized, score_function

__all__ = [
    "doubly_reparameterized",
    "measure_valued",
    "rao_blackwellized",
    "reparameterized",
    "score_function",
    "sticking_the_landing",
    "stratified",
]
