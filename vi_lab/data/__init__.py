"""Data that the chapters use, shipped with the package; README.md beside this file says where each comes from."""

import unicodedata
from importlib.resources import files

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
