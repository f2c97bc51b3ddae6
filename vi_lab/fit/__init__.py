"""Stochastic gradient ascent on the ELBO (chapter 5)."""

from vi_lab.fit.defaults import in_local_coordinates
from vi_lab.fit.run import Fit, fit

__all__ = ["Fit", "fit", "in_local_coordinates"]
