"""The part of the Graph stand-in that sends mail: it checks a mail as Graph does, keeps it, and shows it."""

import json
import re
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from aiohttp import web

LARGEST_REQUEST_BYTES = 4 * 1024 * 1024
MOST_RECIPIENTS = 500
MOST_HEADERS = 5
KEPT = 1000
EXPLANATION = """\
POST /v1.0/users/{mailbox}/sendMail takes mails from every mailbox of the tenant. What was sent:

GET    /mails      the newest 1,000, newest last
DELETE /mails      forgets them
"""
_ADDRESS = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;]+")
_MESSAGE = {
    *("subject", "importance", "body", "toRecipients", "ccRecipients", "bccRecipients", "replyTo", "attachments"),
    "internetMessageHeaders",
}


class Refusal(NamedTuple):
    status: int
    code: str
    message: str


@dataclass
class Outbox:
    """What was sent from the mailboxes of a tenant with these domains: messages as Graph has them, with `from` and
    `sentDateTime`."""

    domains: Collection[str]
    mails: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT))

    def take(self, mailbox: str, headers: Mapping[str, str], body: bytes) -> Refusal | None:
        """Sends a mail, or says why not."""
        refusal = self._refusal(mailbox, headers, body)
        if refusal is None:
            message: dict[str, Any] = json.loads(body)["message"]
            sent_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            self.mails.append({"from": mailbox, "sentDateTime": sent_at, **message})
        return refusal

    def _refusal(self, mailbox: str, headers: Mapping[str, str], body: bytes) -> Refusal | None:
        if mailbox.rpartition("@")[2].lower() not in self.domains:
            return Refusal(404, "ErrorInvalidUser", f"The requested user '{mailbox}' is invalid.")
        if len(body) > LARGEST_REQUEST_BYTES:
            return Refusal(413, "RequestEntityTooLarge", "The request is larger than 4 MB.")
        if headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
            return Refusal(400, "ErrorMimeContentInvalidBase64String", "Invalid base64 string for MIME content.")
        try:
            sent = json.loads(body)
        except ValueError:
            return Refusal(400, "BadRequest", "Unable to read JSON request payload.")
        unknown = [name for name in sent if name not in ("message", "saveToSentItems")]
        if unknown or not isinstance(sent.get("message"), dict):
            said = f"'{unknown[0]}' is not a parameter of sendMail." if unknown else "'message' is required."
            return Refusal(400, "RequestBodyRead", said)
        return _fault_of(sent["message"])


def _fault_of(message: dict[str, Any]) -> Refusal | None:
    unknown = next((name for name in message if name not in _MESSAGE), None)
    if unknown:
        said = f"The property '{unknown}' does not exist on type 'microsoft.graph.message'."
        return Refusal(400, "RequestBodyRead", said)
    body = message.get("body", {})
    if str(body.get("contentType", "text")).lower() not in ("text", "html") or not isinstance(body.get("content"), str):
        return Refusal(400, "RequestBodyRead", "The body is no itemBody.")
    if message.get("importance", "normal") not in ("low", "normal", "high"):
        return Refusal(400, "RequestBodyRead", "Requested value of 'importance' was not found.")
    return _recipients_fault(message) or _headers_fault(message.get("internetMessageHeaders", []))


def _recipients_fault(message: dict[str, Any]) -> Refusal | None:
    recipients = [
        recipient["emailAddress"]["address"]
        for name in ("toRecipients", "ccRecipients", "bccRecipients")
        for recipient in message.get(name, [])
    ]
    if not recipients or len(recipients) > MOST_RECIPIENTS or not all(map(_ADDRESS.fullmatch, recipients)):
        return Refusal(400, "ErrorInvalidRecipients", "At least one recipient isn't valid.")
    return None


def _headers_fault(headers: list[dict[str, str]]) -> Refusal | None:
    if len(headers) > MOST_HEADERS:
        return Refusal(400, "InvalidInternetMessageHeaderCollection", "Maximum number of headers is 5.")
    for header in headers:
        if not header["name"].lower().startswith("x-"):
            said = f"The internet message header name '{header['name']}' should start with 'x-' or 'X-'."
            return Refusal(400, "InvalidInternetMessageHeader", said)
    return None


def add_outbox(app: web.Application, outbox: Outbox) -> None:
    """The control API of what was sent."""

    async def show(_request: web.Request) -> web.Response:
        return web.json_response({"value": list(outbox.mails)})

    async def forget(_request: web.Request) -> web.Response:
        outbox.mails.clear()
        return web.Response(status=204)

    app.router.add_get("/mails", show)
    app.router.add_delete("/mails", forget)
