"""The data that the chapters use are the whole of what their sources say, and a wrong name is named."""

import kl_oracles
import numpy as np
import pytest

import vi_lab.data
from vi_lab.data import LETTERS, letter_counts, reference_posterior, wells


@pytest.mark.parametrize(("language", "expected"), [("french", kl_oracles.FRENCH), ("english", kl_oracles.ENGLISH)])
def test_letters_are_those_of_the_text(language, expected):
    counts = letter_counts(language)
    assert LETTERS == kl_oracles.ALPHABET
    assert counts.shape == (26,)
    np.testing.assert_array_equal(counts, expected)


def test_unknown_language():
    with pytest.raises(ValueError, match="language: got 'klingon', needs one of 'english', 'french'"):
        letter_counts("klingon")


def test_wells_are_those_of_the_book():
    """3,020 households, of which 57.5% switched; the other sums and means were taken from the file by awk."""
    data = wells()
    assert all(column.shape == (3020,) and column.dtype == float for column in data)
    sums = [data.switched.sum(), data.arsenic.mean(), data.distance_m.mean(), data.education_years.sum()]
    np.testing.assert_allclose([*sums, data.association.sum()], [1737, 1.65693, 48.3319, 14582, 1277], rtol=1e-5)
    assert (data.arsenic.min(), data.arsenic.max()) == (0.51, 9.65)
    assert set(data.switched) == set(data.association) == {0, 1}


def changed_header(text):
    return text.replace("arsenic", "lead", 1)


def lost_row(text):
    return text[: text.rstrip().rfind("\n")]


def half_a_household(text):
    return text.replace("\n1,", "\n0.5,", 1)


@pytest.mark.parametrize("damage", [changed_header, lost_row, half_a_household])
def test_a_wells_file_that_is_not_the_shipped_one_is_refused(damage, tmp_path, monkeypatch):
    original = vi_lab.data.files("vi_lab.data").joinpath("wells.csv").read_text(encoding="utf8")
    (tmp_path / "wells.csv").write_text(damage(original), encoding="utf8")
    monkeypatch.setattr(vi_lab.data, "files", lambda _: tmp_path)
    with pytest.raises(ValueError, match=r"wells.csv: got .* needs switched,arsenic"):
        wells()


def test_reference_moments_are_those_published():
    """Read off posteriordb's table: the first and the last school, tau, and the kidiq regression's sigma."""
    schools = reference_posterior("eight_schools-eight_schools_noncentered")
    assert {name: moments.mean.shape for name, moments in schools.items()} == {"theta": (8,), "mu": (), "tau": ()}
    np.testing.assert_allclose(schools["theta"].mean[[0, 7]], [6.1505, 4.8840], atol=1e-4)
    np.testing.assert_allclose(schools["theta"].sd[[0, 7]], [5.6156, 5.3174], atol=1e-4)
    np.testing.assert_allclose(schools["tau"], [3.60206, 0.03186, 3.19832], atol=1e-5)
    np.testing.assert_allclose(reference_posterior("kidiq-kidscore_momiq")["sigma"].mean, 18.2758, atol=1e-4)


def test_unknown_reference_posterior():
    with pytest.raises(ValueError, match="name: got 'nine_schools', needs one of 'eight_schools-eight"):
        reference_posterior("nine_schools")
