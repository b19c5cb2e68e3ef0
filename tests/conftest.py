"""What all tests share."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: waits for something long that began earlier; runs after the others")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a slow test waits for goes on meanwhile, beside the tests before it."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
