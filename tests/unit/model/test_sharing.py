"""What an admin is told of polling the audit log."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from shared.model.sharing import Gap, PollState, Problem, warnings_of

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
WELL = PollState(since=NOW, cursor=NOW, last_success_at=NOW)


def warnings(**changes: Any) -> list[str]:
    return warnings_of(WELL.model_copy(update=changes), NOW)


def test_there_is_nothing_to_say_while_all_is_well() -> None:
    assert warnings() == []


@pytest.mark.parametrize("problem", get_args(Problem))
def test_each_problem_has_words_that_say_what_it_means(problem: Problem) -> None:
    [text] = warnings(problem=problem)
    assert text.startswith("sharing ")
    assert warnings(problem=problem, last_success_at=NOW - timedelta(days=1)) == [text]


def test_losses_are_told_of_for_a_week() -> None:
    gap = Gap(kind="late", start=NOW - timedelta(days=9), end=NOW - timedelta(days=7), noted_at=NOW)
    assert "no poll ran in time" in warnings(gaps=(gap,))[0]
    assert "subscription to the audit log was off" in warnings(gaps=(gap.model_copy(update={"kind": "off"}),))[0]
    for name in ("lost_at", "unreadable_at"):
        assert len(warnings(**{name: NOW - timedelta(days=7)})) == 1
        assert warnings(**{name: NOW - timedelta(days=7, seconds=1)}) == []


def test_what_waits_and_what_is_unknown_is_told() -> None:
    assert warnings(parked=2)[0].startswith("2 parts of the audit log")
    assert "only guests' names" in warnings(domains_unknown=True)[0]
    assert "the ones last read count" in warnings(domains_unknown=True, domains=("contoso.example",))[0]


def test_silence_is_told_after_an_hour() -> None:
    assert warnings(last_success_at=NOW - timedelta(hours=1)) == []
    assert "poll_sharing does not run" in warnings(last_success_at=NOW - timedelta(hours=1, seconds=1))[0]
    assert warnings(last_success_at=None, since=NOW - timedelta(hours=25)) == [], "the first poll is at work"
    assert "poll_sharing does not run" in warnings(last_success_at=None, since=NOW - timedelta(hours=26))[0]
