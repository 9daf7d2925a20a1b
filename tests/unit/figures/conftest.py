from __future__ import annotations

import pytest

from tests.unit.figures.made import make_states


@pytest.fixture
def teacher():
    return make_states()


@pytest.fixture
def student():
    return make_states("student", layers=2, width=8, seed=1)
