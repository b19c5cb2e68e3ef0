"""What a failed attempt's answer says beyond its status. Pure: of the recorded attempt alone, so that whoever reads
the record later comes to the same end.

Only answers that cannot mean anything else count; all others keep to the schedule.
"""

import json
import re
from dataclasses import dataclass

from shared.model import Attempt


@dataclass(frozen=True)
class Paused:
    """Switched off for now: asking again soon is of no use."""

    reason: str


@dataclass(frozen=True)
class Ended:
    """Deleted: it will never take anything again."""

    reason: str


@dataclass(frozen=True)
class Unacceptable:
    """The receiver is well, and will never take this body."""

    reason: str


Diagnosis = Paused | Ended | Unacceptable

_SWITCHED_OFF = "the flow is turned off: turn it on, and what waits here arrives"
_DELETED = "the flow was deleted: register the URL of its successor"
_MISFIT = (
    "the body does not fit the JSON schema of the flow's trigger: correct the schema (or leave it empty), or choose "
    "another wire format"
)
_BY_CODE: dict[str, Diagnosis] = {
    "WorkflowTriggerIsNotEnabled": Paused(_SWITCHED_OFF),
    "WorkflowDisabled": Paused(_SWITCHED_OFF),
    "WorkflowNotFound": Ended(_DELETED),
    "WorkflowTriggerNotFound": Ended("the flow has no trigger of that name any more: register its URL as it is now"),
    "TriggerInputSchemaMismatch": Unacceptable(_MISFIT),
}
"""Error codes of Logic Apps and Power Automate, as their HTTP triggers answer them."""

_STATE_DELETED = re.compile(r"state 'Deleted'", re.IGNORECASE)
"""`WorkflowTriggerIsNotEnabled` also stands for a deleted flow, which its message alone tells from a paused one."""

_WORDS = {
    "DirectApiAuthorizationRequired": "the trigger wants the whole URL with its sig, or an Entra token: see `auth`",
    "DirectApiRequestHasMoreThanOneAuthorization": "the URL has a sig, and a token came too: it takes one of them",
    "MisMatchingOAuthClaims": "the token does not fit who may call the trigger: allow the app's identity there",
    "ErrorAccessDenied": "the app's identity may not send from this mailbox: docs/receivers.md says how to allow it",
    "ErrorInvalidUser": "there is no such mailbox: correct MAIL_SENDERS and the endpoint's URL",
    "MailboxNotEnabledForRESTAPI": "this user has no mailbox in Exchange Online: send from one that has",
    "ErrorInvalidRecipients": "an address in `recipients` is wrong: correct the endpoint's settings",
}
"""Codes that are no more than explained."""

_BY_TEXT: dict[str, Diagnosis] = {
    "no_service": Ended("the incoming webhook was removed: make another and register its URL"),
    "no_active_hooks": Ended("the incoming webhook was removed: make another and register its URL"),
    "no_team": Ended("the workspace is gone"),
    "invalid_payload": Unacceptable("the receiver cannot read this body"),
    "invalid_blocks": Unacceptable("the receiver does not take this body's blocks"),
    "no_text": Unacceptable("the receiver finds no text in this body"),
    "too_many_attachments": Unacceptable("the body has more attachments than the receiver takes"),
}
"""Whole answers of Slack's incoming webhooks."""

_UNAUTHORISED = {
    401: "it does not accept how the delivery proved itself: check the endpoint's `auth`, or the key in its URL",
    403: "it knows the caller and refuses it: check what the endpoint's `auth`, or the key in its URL, may do there",
}

_CODE = re.compile(r'\s*\{\s*"error"\s*:\s*\{\s*"code"\s*:\s*"(\w{1,80})"')
"""At the beginning of an answer that was cut off."""


def diagnose(status: int | None, response: str | None) -> Diagnosis | None:
    """What an answer says for sure, or None."""
    if status is None or not 400 <= status <= 499 or not response:
        return None
    code = _code_in(response)
    meaning = _BY_CODE.get(code or "") or _BY_TEXT.get(response.strip())
    if isinstance(meaning, Paused) and _STATE_DELETED.search(response):
        return Ended(_DELETED)
    return meaning


def failure_reason(attempt: Attempt) -> str:
    """A failed attempt in an admin's words."""
    if attempt.error is not None:
        return attempt.error
    if attempt.status == 410:
        return "the receiver answered 410 Gone"
    said = f"the receiver answered {attempt.status}"
    meaning = diagnose(attempt.status, attempt.response)
    code = _code_in(attempt.response or "")
    why = meaning.reason if meaning else _WORDS.get(code or "") or _UNAUTHORISED.get(attempt.status or 0)
    named = f" {code}" if code in _BY_CODE or code in _WORDS else ""
    return f"{said}{named}: {why}" if why else said


def _code_in(response: str) -> str | None:
    """`{"error": {"code": …}}`, wherever in the answer that the code stands."""
    if not response.lstrip().startswith("{"):
        return None
    try:
        document = json.loads(response)
    except (ValueError, RecursionError):
        begun = _CODE.match(response)
        return begun[1] if begun else None
    error = document.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) else None
