"""What a receiver's answer says beyond its status."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles.samples import an_attempt
from shared.delivery.diagnosis import Ended, Paused, Unacceptable, diagnose, failure_reason
from shared.delivery.schedule import Exhausted, Gone, Retry, decide
from shared.model.retry_after import LONGEST_RETRY_AFTER

TOLD_IN = "docs/receivers.md#what-your-answer-means"

DELAYS = [timedelta(seconds=30), timedelta(hours=3)]


def azure(code: str, message: str = "why") -> str:
    """As Logic Apps and Power Automate answer."""
    return json.dumps({"error": {"code": code, "message": message}})


OFF = azure("WorkflowTriggerIsNotEnabled", "Could not execute workflow 'f' trigger 'manual' with state 'Suspended'.")
DELETED = OFF.replace("Suspended", "Deleted")
MISFIT = azure("TriggerInputSchemaMismatch", "The input body for trigger 'manual' does not match its schema.")

ANSWERS: list[tuple[int, str, type[Any]]] = [
    (400, OFF, Paused),
    (404, azure("WorkflowDisabled"), Paused),
    (400, DELETED, Ended),
    (404, azure("WorkflowNotFound"), Ended),
    (404, azure("WorkflowTriggerNotFound"), Ended),
    (400, MISFIT, Unacceptable),
    (404, "no_service", Ended),
    (404, "no_active_hooks\n", Ended),
    (400, "invalid_payload", Unacceptable),
]


@pytest.mark.parametrize(("status", "response", "kind"), ANSWERS)
def test_clear_answers_are_understood(status: int, response: str, kind: type[Any]) -> None:
    assert isinstance(diagnose(status, response), kind)


@pytest.mark.parametrize(
    ("status", "response"),
    [
        (400, azure("InvalidRequestContent")),
        (401, azure("DirectApiAuthorizationRequired")),
        (400, '{"errorMessages":[],"errors":{"project":"valid project is required"}}'),
        (404, "not found"),
        (404, "<html>no_service</html>"),
        (400, json.dumps({"echo": {"error": {"code": "WorkflowNotFound"}}})),
        (400, json.dumps({"error": "WorkflowNotFound"})),
        (400, json.dumps({"error": {"code": ["WorkflowNotFound"]}})),
        (400, json.dumps([{"error": {"code": "WorkflowNotFound"}}])),
        (400, '{"error":'),
        (400, "{" * 2000),
        (404, ""),
        (404, None),
        (None, None),
    ],
)
def test_all_others_keep_to_the_schedule(status: int | None, response: str | None) -> None:
    assert diagnose(status, response) is None


@given(st.integers(100, 399) | st.integers(500, 599), st.sampled_from(ANSWERS))
def test_only_a_4xx_is_read(status: int, answer: tuple[int, str, type[Any]]) -> None:
    assert diagnose(status, answer[1]) is None


@given(
    st.none() | st.integers(100, 599), st.none() | st.text() | st.recursive(st.none() | st.text(), st.lists).map(str)
)
def test_no_answer_is_too_odd_to_be_read(status: int | None, response: str | None) -> None:
    diagnose(status, response)
    assert failure_reason(an_attempt(status=status or 500, response=response))


@given(st.integers(0, 4000))
def test_an_answer_cut_off_in_its_message_means_the_same(length: int) -> None:
    whole = azure("TriggerInputSchemaMismatch", "x" * 5000)
    assert diagnose(400, whole[: 60 + length]) == diagnose(400, whole)


def test_what_follows_is_pause_end_or_giving_up_this_body() -> None:
    assert decide(1, 400, None, DELAYS, diagnose(400, OFF)) == Retry(LONGEST_RETRY_AFTER)
    assert decide(2, 400, None, DELAYS, diagnose(400, OFF)) == Retry(timedelta(hours=3)), "never earlier"
    assert decide(3, 400, None, DELAYS, diagnose(400, OFF)) == Exhausted(), "a pause is on the schedule's count"
    assert decide(1, 400, None, DELAYS, diagnose(400, DELETED)) == Gone()
    assert decide(1, 400, None, DELAYS, diagnose(400, MISFIT)) == Exhausted()


@pytest.mark.parametrize(
    ("status", "response", "says"),
    [
        (400, OFF, "answered 400 WorkflowTriggerIsNotEnabled: the flow is turned off: turn it on"),
        (400, DELETED, "the flow was deleted"),
        (400, MISFIT, "TriggerInputSchemaMismatch: the body does not fit the JSON schema of the flow's trigger"),
        (401, azure("DirectApiAuthorizationRequired"), "DirectApiAuthorizationRequired: the trigger wants"),
        (401, None, "answered 401: it does not accept how the delivery proved itself: check the endpoint's `auth`"),
        (403, "Forbidden", "answered 403: it knows the caller and refuses it"),
        (404, "no_service", "answered 404: the incoming webhook was removed"),
    ],
)
def test_an_admin_is_told_why_in_words(status: int, response: str | None, says: str) -> None:
    assert says in failure_reason(an_attempt(status=status, response=response))


def test_words_are_ours_and_never_the_receivers() -> None:
    assert failure_reason(an_attempt(status=500, response="SECRET")) == "the receiver answered 500"
    assert "SECRET" not in failure_reason(an_attempt(status=400, response=azure("SECRET")))
    assert failure_reason(an_attempt(status=None, error="timed out")) == "timed out"
