"""The numbers that the book shows, for the tests that prove them."""

import glued
import pytest


@pytest.fixture
def page(request) -> dict[str, float | str]:
    """`page["ch1-name"]` in tests/claims/test_01_*.py: the number that chapter 1 shows under that name."""
    return glued.values(request.path.name.split("_")[1])
