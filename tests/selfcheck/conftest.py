"""One whole self-check in virtual time for all tests of this folder."""

import pytest

from ackgap.selfcheck.run import Order, selfcheck


@pytest.fixture(scope="session")
def checked():
    return selfcheck(Order())
