"""How a delivery's row changes."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from doubles.samples import NOW, a_delivery, a_message, an_attempt
from shared.delivery.diagnosis import failure_reason
from shared.delivery.schedule import Delivered, Exhausted, Gone, Retry
from shared.delivery.transitions import cancelled, failed, new, recorded
from shared.model import Attempt, Delivery, Status

TOLD_IN = "docs/architecture.md#a-crash-starts-no-second-chain-of-attempts"

ID = a_message().delivery_id
AFTER = timedelta(seconds=30)
verdicts = st.sampled_from([Delivered(), Gone(), Exhausted(), Retry(AFTER)])
statuses = st.sampled_from(["pending", "delivered", "failed", "cancelled"])
rows = st.builds(
    lambda status, count: a_delivery(*(an_attempt(number + 1) for number in range(count)), status=status),
    statuses,
    st.integers(0, 4),
)


def record(current: Delivery | None, made: Attempt, verdict: Any) -> Delivery:
    return recorded(current, a_message(attempt=made.number), made, verdict, NOW)


def test_a_first_success_makes_a_delivered_row() -> None:
    row = record(None, an_attempt(1, 200), Delivered())
    assert (row.status, row.attempts, row.next_attempt_at, row.reason) == (
        "delivered",
        (an_attempt(1, 200),),
        None,
        None,
    )


def test_a_failure_waits_from_its_end_for_the_next_attempt() -> None:
    row = record(None, an_attempt(1, 500), Retry(AFTER))
    assert (row.status, row.next_attempt_at) == ("pending", NOW + AFTER)


def test_the_last_failure_is_told_in_a_few_words() -> None:
    assert record(None, an_attempt(1, 500), Exhausted()).reason == "the receiver answered 500"
    assert record(None, an_attempt(1, None, error="timed out"), Exhausted()).reason == "timed out"
    assert failure_reason(an_attempt(1, 404)) == "the receiver answered 404"


def test_gone_cancels() -> None:
    row = record(None, an_attempt(1, 410), Gone())
    assert (row.status, row.gone, row.reason) == ("cancelled", True, "the receiver answered 410 Gone")


@given(rows, st.integers(1, 5), verdicts)
def test_delivered_is_final_and_overwrites_everything_else(row: Delivery, number: int, verdict: Any) -> None:
    after = record(row, an_attempt(number, 200, token="new"), Delivered())
    assert after.status == "delivered"
    assert record(after, an_attempt(number + 1, 500, token="newer"), verdict) is after
    assert cancelled(after, a_message(), "deleted") is after
    assert failed(after, a_message(), "crashed") is after


@given(rows, st.integers(1, 5), verdicts)
def test_no_attempt_is_ever_taken_from_a_row(row: Delivery, number: int, verdict: Any) -> None:
    after = record(row, an_attempt(number, 500, token="new"), verdict)
    assert after.attempts[: len(row.attempts)] == row.attempts


@given(rows, st.integers(1, 5), verdicts)
def test_recording_an_attempt_twice_changes_nothing_more(row: Delivery, number: int, verdict: Any) -> None:
    made = an_attempt(number, 500, token="new")
    after = record(row, made, verdict)
    assert record(after, made, verdict) is after


@given(rows.filter(lambda row: row.last_number > 0), st.sampled_from([Gone(), Exhausted(), Retry(AFTER)]))
def test_the_first_record_of_an_attempt_stands(row: Delivery, verdict: Any) -> None:
    assert record(row, an_attempt(row.last_number, 500, token="another's"), verdict) is row


@given(statuses, st.integers(0, 3))
def test_only_what_is_pending_can_be_cancelled(status: Status, count: int) -> None:
    row = a_delivery(*(an_attempt(number + 1) for number in range(count)), status=status, next_attempt_at=NOW)
    after = cancelled(row, a_message(attempt=count + 1), "the endpoint was deleted")
    if status == "pending":
        assert (after.status, after.reason, after.next_attempt_at) == ("cancelled", "the endpoint was deleted", None)
        assert after.attempts == row.attempts
    else:
        assert after is row


def test_a_delivery_may_be_cancelled_or_given_up_before_it_has_a_row() -> None:
    assert cancelled(None, a_message(), "why").status == "cancelled"
    assert failed(None, a_message(), "why").status == "failed"
    assert new(a_message()).status == "pending"


def test_a_message_given_up_fails_its_delivery_unless_its_attempt_was_recorded() -> None:
    waiting = a_delivery(an_attempt(1), next_attempt_at=NOW)
    assert failed(waiting, a_message(attempt=2), "crashed").status == "failed"
    assert failed(waiting, a_message(attempt=1), "crashed") is waiting


@given(rows.filter(lambda row: row.status in ("failed", "cancelled")))
def test_what_has_ended_of_a_sequence_begins_no_new_attempt_by_itself(row: Delivery) -> None:
    """A copy of its message was in flight when another was given up; the next of the sequence has gone on since."""
    message, made = a_message(attempt=row.last_number + 1, sequence="S" * 26), an_attempt(row.last_number + 1, 500)
    after = recorded(row, message, made, Retry(AFTER), NOW)
    assert (after.status, after.reason, after.next_attempt_at) == (row.status, row.reason, None)
    assert after.attempts == (*row.attempts, made)
    assert recorded(row, message, made, Delivered(), NOW).status == "delivered"
    asked_for = message.model_copy(update={"manual": True, "sequence": ""})
    assert recorded(row, asked_for, made, Retry(AFTER), NOW).status == "pending"
