"""Messages of the queue `deliveries`."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doubles.samples import NOW, URL, a_message, an_attempt, an_event
from shared.model import Attempt, DeliveryId, digest, endpoint_id, to_ms
from shared.storage.messages import INLINE_EVENT_BYTES, MalformedMessage, Message, decode, encode

QUEUE_MESSAGE_BYTES = 64 * 1024
HOST_METADATA = {
    "id",
    "dequeuecount",
    "expirationtime",
    "insertiontime",
    "nextvisibletime",
    "popreceipt",
    "queuetrigger",
}

keys = st.from_regex(r"\A[A-Za-z0-9_:-]{1,128}\Z")
times = st.integers(0, 2**20).map(lambda seconds: NOW + timedelta(seconds=seconds / 1000))
events = st.builds(
    an_event,
    type=st.text(min_size=1, max_size=128),
    content=st.dictionaries(st.text(max_size=9), st.text(max_size=30), max_size=3).map(json.dumps),
    severity=st.sampled_from(["low", "medium", "high", "critical"]),
)


def made_attempts(number: int) -> st.SearchStrategy[Attempt]:
    return st.builds(
        an_attempt,
        number=st.just(number),
        started_at=times,
        duration_ms=st.integers(0, 30_000),
        status=st.none() | st.integers(100, 599),
        error=st.none() | st.text(max_size=60),
        response=st.none() | st.text(max_size=200),
        token=st.text(max_size=16),
    )


@st.composite
def messages(draw: st.DrawFn) -> Message:
    key = draw(keys)
    number = draw(st.integers(1, 1_000_000))
    start = number - draw(st.integers(0, number - 1))
    made = draw(st.none() | made_attempts(number))
    return a_message(
        key=key,
        delivery=str(DeliveryId(draw(st.integers(0, 2**46)), digest(key), endpoint_id(draw(st.text(max_size=20))))),
        event_accepted_ms=draw(st.integers(0, 2**46)),
        type=draw(st.text(min_size=1, max_size=128)),
        attempt=number,
        schedule_start=start,
        generation=draw(st.integers(0, 2**53)),
        due_at=draw(times),
        deadline_at=draw(times),
        seen_at=draw(st.none() | times),
        abandoned=draw(st.none() | st.text(max_size=60)),
        asked=draw(st.booleans()),
        repeat=draw(st.booleans()),
        event=draw(st.none() | events),
        made=made,
        retry_after_seconds=draw(st.none() | st.floats(0, 3600)) if made else None,
    )


@settings(max_examples=60)
@given(messages())
def test_what_is_put_on_the_queue_is_what_is_taken_from_it(message: Message) -> None:
    assert decode(encode(message).encode()) == message


@settings(max_examples=60)
@given(messages())
def test_a_message_is_printable_ascii_that_names_nothing_of_the_hosts(message: Message) -> None:
    text = encode(message)
    assert text.isascii()
    assert text.isprintable()
    assert not {name.lower() for name in json.loads(text)} & HOST_METADATA


def test_no_field_that_a_message_could_ever_have_is_the_hosts() -> None:
    names = {name.lower() for name, field in Message.model_fields.items()}
    names |= {(field.alias or name).lower() for name, field in Message.model_fields.items()}
    assert not names & HOST_METADATA


def test_a_message_has_a_version_and_the_trace() -> None:
    values = json.loads(encode(a_message()))
    assert values["v"] == 1
    assert values["traceparent"] == a_message().traceparent


def test_an_event_that_fits_travels_with_its_message() -> None:
    event = an_event(content=json.dumps({"a": "x" * 40_000}))
    assert decode(encode(a_message(event=event)).encode()).event == event


@pytest.mark.parametrize("character", ["x", "é", "\\", "\U0001f600"])
def test_an_event_that_does_not_fit_is_left_to_its_table(character: str) -> None:
    event = an_event(content=json.dumps({"a": character * 250_000}, ensure_ascii=False))
    text = encode(a_message(event=event))
    assert len(text) <= INLINE_EVENT_BYTES
    assert decode(text.encode()).event is None


@given(st.integers(0, 60_000), st.sampled_from('xé\\"\n\U0001f600'))
@settings(max_examples=60)
def test_no_message_is_ever_too_large_for_a_queue(count: int, character: str) -> None:
    event = an_event(content=json.dumps({"a": character * count}, ensure_ascii=False))
    made = an_attempt(response=character * 2048, error=character * 300)
    text = encode(a_message(event=event, made=made, key="k" * 128, type="t" * 128))
    assert len(text.encode()) < QUEUE_MESSAGE_BYTES


def changed(**changes: Any) -> bytes:
    values = json.loads(encode(a_message())) | changes
    return json.dumps({name: value for name, value in values.items() if value is not ...}).encode()


def changed_made(**changes: Any) -> bytes:
    """The message of an attempt that was made, changed as somebody would who may write to the queue."""
    return changed(made=an_attempt().model_dump(mode="json", by_alias=True) | changes)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"id":"x","dequeueCount":"abc"}',
        changed(v=2),
        changed(delivery="not-an-id"),
        changed(delivery=...),
        changed(key="with space"),
        changed(key="another"),
        changed(attempt=0),
        changed(attempt=-1),
        changed(attempt="many"),
        changed(eventMs=-1),
        changed(eventMs=2**47),
        changed(dueAt="soon"),
        changed(dueAt="2026-11-22T10:00:00"),
        changed(dueAt="9999-12-31T23:59:59Z"),
        changed(deadlineAt=...),
        changed(deadlineAt="0001-01-01T00:00:00Z"),
        changed(roundStart=2),
        changed(attempt=1_000_001),
        changed(asked="perhaps"),
        changed(givenUp="x" * 201),
        changed(retryAfterSeconds=-1),
        changed(retryAfterSeconds=10**7),
        changed_made(startedAt="9999-12-31T23:59:59Z"),
        changed_made(startedAt="2026-11-22T10:00:00"),
        changed_made(number=2),
        changed_made(durationMs=-1),
        changed_made(durationMs=10**10),
        changed_made(error="x" * 1001),
        changed_made(response="x" * 4097),
        changed_made(token="x" * 65),
        changed(traceparent="00-x"),
        changed(event={"type": "x"}),
    ],
)
def test_what_is_no_message_of_ours_is_malformed_and_says_why(body: bytes) -> None:
    with pytest.raises(MalformedMessage, match="not a delivery message"):
        decode(body)


def test_a_message_of_a_newer_version_is_read_as_far_as_it_is_known() -> None:
    assert decode(changed(surprise=1)) == a_message()
    assert decode(changed_made(surprise=1)).result == an_attempt()


def test_a_delivery_id_may_be_written_in_lower_case() -> None:
    assert decode(changed(delivery=a_message().delivery.lower())).delivery_id == a_message().delivery_id


def test_the_ids_of_a_message_fit_together() -> None:
    assert a_message().delivery_id == DeliveryId(to_ms(NOW), digest(a_message().key), endpoint_id(URL))
