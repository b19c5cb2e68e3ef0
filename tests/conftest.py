"""What all tests share."""

import functools
from collections.abc import Iterator
from typing import IO

import pytest

import property_rules
from doubles.running import closing_what_is_open
from local import STATE
from local.lock import share
from local.setup import IN_USE
from shared.outbound import client as outbound

FULL_TIMEOUT_SECONDS = 1200
_IN_USE = pytest.StashKey[IO[bytes]]()
pytest_runtest_makereport = property_rules.pytest_runtest_makereport


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="tests/faults break things for a quarter of an hour")


@pytest.fixture(scope="session")
def full(pytestconfig: pytest.Config) -> bool:
    """Whether the faults are to be tested in full."""
    return bool(pytestconfig.getoption("--full"))


def pytest_configure(config: pytest.Config) -> None:
    # Tests start dev.py, which must not make the environment anew in which they run.
    config.stash[_IN_USE] = share(STATE / IN_USE)
    property_rules.load_profile()
    config.addinivalue_line("markers", "alone: measures or kills; runs when nothing else does")
    config.addinivalue_line("markers", "simulation: plays many random histories; `dev.py test --quick` leaves it out")
    config.addinivalue_line("markers", "slow: waits for something long that began earlier; runs after the others")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What a slow test waits for goes on meanwhile, beside the tests before it."""
    if config.getoption("--full"):
        for item in items:
            item.add_marker(pytest.mark.timeout(FULL_TIMEOUT_SECONDS))
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture(scope="session", autouse=True)
def _authorities_are_read_once() -> Iterator[None]:
    """Reading them takes longer than most tests that make an App or two."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbound, "tls_context", functools.cache(outbound.tls_context))
        yield


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    with closing_what_is_open():
        yield
