"""Sequences: who is in one, in which order, whoever writes at the same time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from doubles.storage_account import Account, Services
from shared.model import DeliveryId, digest, to_ms
from shared.storage.sequences import MOST_IN_ONE, Place, Sequences

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
NAME = "S" * 26


def an_id(number: int) -> DeliveryId:
    return DeliveryId(to_ms(NOW) - number, digest(str(number)), "E" * 26)


FIRST, SECOND, THIRD = map(an_id, range(3))


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def sequences(account: Account) -> Sequences:
    return Sequences(cast(Any, Services(account)))


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def members(sequences: Sequences) -> list[str]:
    stored = sequences.get("E" * 26, NAME)
    return [] if stored is None else list(stored.value.members)


def test_who_joins_comes_after_all_that_have_joined_whatever_its_time(sequences: Sequences) -> None:
    assert [sequences.join(each, NAME, NOW) for each in (FIRST, SECOND, THIRD)] == [
        Place.HEAD,
        Place.BEHIND,
        Place.BEHIND,
    ]
    assert members(sequences) == [str(each)[:39] for each in (FIRST, SECOND, THIRD)]


def test_joining_twice_changes_nothing(sequences: Sequences) -> None:
    sequences.join(FIRST, NAME, NOW)
    sequences.join(SECOND, NAME, NOW)
    known = members(sequences)
    assert sequences.join(FIRST, NAME, later(1)) is Place.HEAD
    assert sequences.join(SECOND, NAME, later(1)) is Place.BEHIND
    assert members(sequences) == known


def test_when_the_head_leaves_the_next_is_called(sequences: Sequences) -> None:
    for each in (FIRST, SECOND, THIRD):
        sequences.join(each, NAME, NOW)
    left = sequences.leave(FIRST, NAME, later(5))
    assert left.by_this_call
    assert left.sequence is not None
    assert left.sequence.head("E" * 26) == SECOND
    assert left.sequence.called_at == later(5)


def test_when_another_leaves_nobody_is_called(sequences: Sequences) -> None:
    for each in (FIRST, SECOND, THIRD):
        sequences.join(each, NAME, NOW)
    left = sequences.leave(SECOND, NAME, later(5))
    assert not left.by_this_call
    assert left.sequence is not None
    assert (left.sequence.head("E" * 26), left.sequence.called_at) == (FIRST, NOW)


def test_when_another_leaves_it_is_known_as_before_when_the_head_was_seen(sequences: Sequences) -> None:
    for each in (FIRST, SECOND):
        sequences.join(each, NAME, NOW)
    sequences.note_seen(next(sequences.held_since(later(60))), later(60))
    sequences.note_held(FIRST, NAME, later(90))
    sequences.leave(SECOND, NAME, later(5))
    assert not list(sequences.held_since(later(60)))
    (held,) = sequences.held_since(later(61))
    assert held.stored.value.held_until == later(90)


def test_only_a_head_says_until_when_it_is_put_back_and_only_once(sequences: Sequences, account: Account) -> None:
    sequences.note_held(FIRST, NAME, later(90))
    assert not members(sequences)
    for each in (FIRST, SECOND):
        sequences.join(each, NAME, NOW)
    account.writes.clear()
    sequences.note_held(SECOND, NAME, later(90))
    assert not account.writes
    for until in (90, 90, 30):
        sequences.note_held(FIRST, NAME, later(until))
    assert account.writes == [("sequences", NAME)]


def test_the_next_head_is_not_held_as_the_one_before_was(sequences: Sequences) -> None:
    for each in (FIRST, SECOND):
        sequences.join(each, NAME, NOW)
    sequences.note_held(FIRST, NAME, later(90))
    left = sequences.leave(FIRST, NAME, later(5))
    assert left.sequence is not None
    assert left.sequence.held_ms == 0


def test_the_last_takes_the_row_with_it(sequences: Sequences, account: Account) -> None:
    sequences.join(FIRST, NAME, NOW)
    assert sequences.leave(FIRST, NAME, NOW) == (None, True)
    assert not account.tables["sequences"]
    assert sequences.leave(FIRST, NAME, NOW) == (None, False)


def test_who_has_left_before_is_not_missed(sequences: Sequences) -> None:
    sequences.join(SECOND, NAME, NOW)
    left = sequences.leave(FIRST, NAME, later(5))
    assert not left.by_this_call
    assert left.sequence is not None
    assert left.sequence.head("E" * 26) == SECOND


def in_between(account: Account, call: int, what: Callable[[], object]) -> None:
    """Somebody else does something just before the call-th call to storage from now on."""
    calls = iter(range(1, 100))

    def step() -> None:
        if next(calls) == call:
            account.step = lambda: None
            what()

    account.step = step


@pytest.mark.parametrize("call", range(1, 7))
def test_nobody_is_lost_who_joins_while_another_leaves(sequences: Sequences, account: Account, call: int) -> None:
    sequences.join(FIRST, NAME, NOW)
    in_between(account, call, lambda: sequences.join(SECOND, NAME, NOW))
    left = sequences.leave(FIRST, NAME, later(5))
    account.step = lambda: None
    sequences.join(SECOND, NAME, NOW)
    assert left.by_this_call
    assert members(sequences) == [str(SECOND)[:39]]


@pytest.mark.parametrize("call", range(1, 9))
def test_a_place_is_given_once(sequences: Sequences, account: Account, call: int) -> None:
    """Two join at once, and the head leaves meanwhile."""
    sequences.join(FIRST, NAME, NOW)
    in_between(account, call, lambda: (sequences.join(SECOND, NAME, NOW), sequences.leave(FIRST, NAME, NOW)))
    sequences.join(THIRD, NAME, NOW)
    account.step = lambda: None
    sequences.join(SECOND, NAME, NOW)
    assert sorted(set(members(sequences)) - {str(FIRST)[:39]}) == sorted(str(each)[:39] for each in (SECOND, THIRD))


def test_who_joins_knows_its_own_write_where_the_sdk_repeats_it(sequences: Sequences, account: Account) -> None:
    """Whoever ended the delivery before has called it, and it is not called again."""
    sequences.join(FIRST, NAME, NOW)
    in_between(account, 4, lambda: (sequences.join(SECOND, NAME, NOW), sequences.leave(FIRST, NAME, NOW)))
    assert sequences.join(SECOND, NAME, NOW) is Place.BEHIND
    assert members(sequences) == [str(SECOND)[:39]]


def test_who_may_have_come_and_gone_is_told_so(sequences: Sequences, account: Account) -> None:
    def come_and_go() -> None:
        sequences.join(SECOND, NAME, NOW)
        for each in (FIRST, SECOND):
            sequences.leave(each, NAME, NOW)

    sequences.join(FIRST, NAME, NOW)
    in_between(account, 4, come_and_go)
    assert sequences.join(SECOND, NAME, NOW) is Place.HEAD_AGAIN


def test_a_removal_that_the_sdk_repeats_is_ones_own(sequences: Sequences, account: Account) -> None:
    """Its first try had its effect, and what it is told is of the second."""
    for each in (FIRST, SECOND):
        sequences.join(each, NAME, NOW)
    known = sequences.get("E" * 26, NAME)
    assert known is not None
    in_between(account, 2, lambda: sequences.leave(FIRST, NAME, NOW))
    assert sequences.leave(FIRST, NAME, later(5)).by_this_call


def test_there_is_an_end_to_it(sequences: Sequences, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.storage.sequences.MOST_IN_ONE", 2)
    assert [sequences.join(each, NAME, NOW) for each in (FIRST, SECOND, THIRD)][-1] is Place.NONE
    sequences.leave(FIRST, NAME, NOW)
    assert sequences.join(THIRD, NAME, NOW) is Place.BEHIND


def test_the_longest_one_fits_into_a_property() -> None:
    assert MOST_IN_ONE * 42 < 60_000


def test_those_that_have_not_moved_are_found(sequences: Sequences) -> None:
    sequences.join(FIRST, NAME, NOW)
    sequences.join(SECOND, "T" * 26, later(60))
    found = list(sequences.held_since(later(30)))
    assert [held.name for held in found] == [NAME]
    sequences.note_seen(found[0], later(40))
    assert not list(sequences.held_since(later(30)))
    assert [held.name for held in sequences.held_since(later(50))] == [NAME]
    assert found[0].stored.value.called_at == NOW


def test_a_head_is_called_again_by_one(sequences: Sequences) -> None:
    sequences.join(FIRST, NAME, NOW)
    held = next(sequences.held_since(later(1)))
    again = sequences.call_again(held, later(900))
    assert again is not None
    assert again.called_at == later(900)
    assert sequences.call_again(held, later(901)) is None
