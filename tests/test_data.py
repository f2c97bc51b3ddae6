"""The data that the chapters use are the whole of what their sources say, and a wrong name is named."""

import kl_oracles
import numpy as np
import pytest

from vi_lab.data import LETTERS, letter_counts


@pytest.mark.parametrize(("language", "expected"), [("french", kl_oracles.FRENCH), ("english", kl_oracles.ENGLISH)])
def test_letters_are_those_of_the_text(language, expected):
    counts = letter_counts(language)
    assert LETTERS == kl_oracles.ALPHABET
    assert counts.shape == (26,)
    np.testing.assert_array_equal(counts, expected)


def test_unknown_language():
    with pytest.raises(ValueError, match="language: got 'klingon', needs one of 'english', 'french'"):
        letter_counts("klingon")
