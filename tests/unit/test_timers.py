"""A timer's steps: none keeps the others from being done."""

from typing import Any, cast

import pytest

from shared.app import App
from shared.timers import run_each

APP = cast(App, object())


def test_all_are_done_and_the_failure_is_the_runs() -> None:
    done: list[Any] = []

    def fail(app: App) -> None:
        raise OSError("storage is out of reach")

    with pytest.raises(OSError, match="out of reach"):
        run_each(APP, done.append, fail, done.append)
    assert done == [APP, APP]


def test_several_failures_are_told_together() -> None:
    def fail(app: App) -> None:
        raise OSError

    def fail_otherwise(app: App) -> None:
        raise KeyError

    with pytest.raises(ExceptionGroup) as told:
        run_each(APP, fail, fail_otherwise)
    assert [type(each) for each in told.value.exceptions] == [OSError, KeyError]


def test_without_a_failure_nothing_is_raised() -> None:
    run_each(APP)
    run_each(APP, lambda app: app)
