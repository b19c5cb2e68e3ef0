"""When two events are the same: by what they mean, digit by digit."""

import hashlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model import Event
from shared.model.fingerprint import fingerprint, is_fingerprint_of

TOLD_IN = "docs/api.md#the-idempotency-key"

NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,6})(\.[0-9]{1,6})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)


def event(content: str, name: str = "custom.test") -> Event:
    return Event(type=name, content=content, time_stamp="2026-11-22T10:00:00Z", key="key-1", severity="low")


def earlier(said: Event) -> str:
    """The fingerprint that earlier versions stored."""
    value: Any = json.loads(said.content)
    text = json.dumps([said.type, value], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def same(one: str, other: str) -> bool:
    return is_fingerprint_of(fingerprint(event(f'{{"a":{one}}}')), event(f'{{"a":{other}}}'))


@given(NUMBERS, NUMBERS)
def test_numbers_are_the_same_when_their_decimals_are(one: str, other: str) -> None:
    assert same(one, other) is (Decimal(one) == Decimal(other))


@given(NUMBERS, st.integers(-5, 5))
def test_the_notation_of_a_number_does_not_count(text: str, shift: int) -> None:
    number = Decimal(text)
    for written in (f"{number:e}", f"{number:f}", f"{number.scaleb(shift):f}e{-shift}"):
        assert same(text, written)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "1.0"),
        ("100", "1e2"),
        ("0", "-0.0"),
        ("1.50", "15e-1"),
        ("1e999999999999999999999999", "1e999999999999999999999999"),
        ("0.01", "1e-00000000000000000000000002"),
        ("10", "1E+00000000000000000000000001"),
        ("0", "-0.0e99999999999999999999"),
        ('"\\u00e9"', '"é"'),
        ('{"b":1,"c":2}', '{ "c": 2, "b": 1 }'),
    ],
)
def test_what_means_the_same_is_the_same(one: str, other: str) -> None:
    assert same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0.1234567890123456789", "0.1234567890123456788"),
        ("9007199254740993", "9007199254740992"),
        ("1e-400", "1e-401"),
        ("1e-99999999999999999999", "1e-99999999999999999998"),
        ("1", '"1"'),
        ("1", '"1e0"'),
        ("1", "true"),
        ("0", "null"),
        ("[1,2]", "[2,1]"),
    ],
)
def test_what_means_something_else_is_another_event(one: str, other: str) -> None:
    assert not same(one, other)


def test_the_type_counts() -> None:
    assert not is_fingerprint_of(fingerprint(event("{}")), event("{}", "custom.other"))


@pytest.mark.parametrize("content", ['{"a":1.10,"b":[1e3,"x"]}', "{}"])
def test_what_an_earlier_version_stored_is_still_known(content: str) -> None:
    stored = earlier(event(content))
    assert is_fingerprint_of(stored, event(content))
    assert not is_fingerprint_of(stored, event('{"a":2}'))
