"""Data that the chapters use, shipped with the package; README.md beside this file says where each comes from."""

import json
import unicodedata
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from vi_lab import _checks as check

LETTERS = "abcdefghijklmnopqrstuvwxyz"
LANGUAGES = ("english", "french")


def letter_counts(language: str) -> np.ndarray:
    """How often each of the letters a-z occurs in the Universal Declaration of Human Rights: shape (26,), integers.

    Upper case and accents are folded away (É counts as e, ç as c, œ as o and e); all else is skipped.

    Raises:
        ValueError: a language whose text is not here.
    """
    check.check_option("language", language, LANGUAGES)
    text = files(__package__).joinpath(f"udhr_{language}.txt").read_text(encoding="utf8")
    # Unicode decomposes an accented letter into the letter and its mark, but leaves ligatures whole.
    folded = unicodedata.normalize("NFKD", text.casefold()).replace("œ", "oe").replace("æ", "ae")
    return np.array([folded.count(letter) for letter in LETTERS])


class Wells(NamedTuple):
    """3,020 households of Araihazar, Bangladesh, whose well was found unsafe: five columns of shape (3020,)."""

    switched: np.ndarray  # 1 if the household went over to another well, else 0
    arsenic: np.ndarray  # in its own well, in 100 micrograms a liter; all are above the limit of 0.5
    distance_m: np.ndarray  # to the nearest safe well, in meters
    education_years: np.ndarray  # of schooling, of the head of the household
    association: np.ndarray  # 1 if a member of the household is active in a community organization, else 0


def wells() -> Wells:
    """The wells data of Gelman and Hill (2006), chapter 5, as floats: who switches to a safe well?

    Raises:
        ValueError: a file that is not the one that was shipped: other columns, rows or values.
    """
    path = files(__package__).joinpath("wells.csv")
    header, *rows = path.read_text(encoding="utf8").split()
    table = np.array([row.split(",") for row in rows], dtype=float)
    data = Wells(*table.T) if header.split(",") == list(Wells._fields) else None
    binary = data is not None and np.isin([data.switched, data.association], [0, 1]).all()
    if not binary or len(table) != 3020 or not np.all((table >= 0) & np.isfinite(table)):
        check.reject("wells.csv", f"{header} and {len(rows)} rows", f"{','.join(Wells._fields)} and 3020 rows of them")
    return data


class Moments(NamedTuple):
    """Posterior moments of one quantity, numbers or vectors: the means, their Monte Carlo errors, the deviations."""

    mean: np.ndarray
    mcse_mean: np.ndarray
    sd: np.ndarray


def reference_posterior(name: str) -> dict[str, Moments]:
    """Moments that posteriordb publishes of a posterior, by its own long chains, for each quantity by name.

    Args:
        name: "eight_schools-eight_schools_noncentered" (mu, tau, theta of shape (8,); the priors are those of
            `models.eight_schools`), "kidiq-kidscore_momiq" or "kidiq-kidscore_interaction" (beta, sigma).

    Raises:
        ValueError: a name that is not here.

    Source: posteriordb (Magnusson et al., 2025).
    """
    table = json.loads(files(__package__).joinpath("reference_posteriors.json").read_text(encoding="utf8"))
    check.check_option("name", name, table)
    rows: dict[str, list] = {}
    for quantity, moments in table[name].items():  # theta[1], theta[2], ... are one vector, in the file's order
        rows.setdefault(quantity.partition("[")[0], []).append([moments[field] for field in Moments._fields])
    columns = {quantity: np.array(row).T for quantity, row in rows.items()}
    return {name: Moments(*(each if each.shape[1] > 1 else each[:, 0])) for name, each in columns.items()}
