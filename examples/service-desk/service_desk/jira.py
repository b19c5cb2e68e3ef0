"""Jira Cloud: an issue, whose property holds the correlation id, gets comments and is moved to done (REST API v3)."""

from typing import Any

from service_desk.correlation import Correlation
from service_desk.desk import DeskFault, Outcome, Request, Rest, mark_of, text_of

PROPERTY = "tenant-hooks"
APPROVED = "Approved"
"""The status into which your workflow brings an issue when it is approved."""
KIND = "teams"
"""What this request asks for. A request type would have a field for it."""
PAGE = 100


class Jira:
    name = "jira"

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def approved_request(self, ticket: str) -> Request:
        issue = self._rest.find(_path(ticket), {"fields": "summary,status,reporter"})
        if issue is None:
            raise DeskFault(Outcome("unmatched", f"there is no issue {ticket}, or this user may not see it"))
        fields = issue["fields"]
        if fields["status"]["name"] != APPROVED:
            raise DeskFault(Outcome("refused", f"{ticket} is not approved: {fields['status']['name']}"))
        owner = fields["reporter"].get("emailAddress")
        if not owner:
            raise DeskFault(Outcome("refused", f"{ticket}: its reporter's mail address is hidden: nobody can own it"))
        return Request(name=fields["summary"], kind=KIND, owner=owner)

    def mark(self, correlation: Correlation) -> None:
        """A property and not a label: it is read back at once, while searches lag behind."""
        path = f"{_path(correlation.ticket)}/properties/{PROPERTY}"
        self._rest.call("PUT", path, {"correlationId": str(correlation)})

    def note(self, correlation: Correlation, event: dict[str, Any]) -> Outcome:
        """Comment and transition are two requests. Each looks first, so that a crash between them repeats neither."""
        ticket = correlation.ticket
        found = self._rest.find(f"{_path(ticket)}/properties/{PROPERTY}")
        if found is None or found["value"].get("correlationId") != str(correlation):
            return Outcome("unmatched", f"no issue has the correlation id {correlation}")
        key = event["meta"]["idempotencyKey"]
        known = self._has_comment(ticket, mark_of(key))
        if not known:
            self._rest.call("POST", f"{_path(ticket)}/comment", {"body": _document(text_of(event, key))})
        moved = event["type"] == "ProvisioningCompleted" and self._finish(ticket)
        if known and not moved:
            return Outcome("known", f"{ticket} has it already")
        return Outcome("noted", f"{ticket}: {event['type']}")

    def _has_comment(self, ticket: str, mark: str) -> bool:
        """The newest first; a comment of this one is among them if it is there."""
        query = {"orderBy": "-created", "maxResults": str(PAGE)}
        page = self._rest.find(f"{_path(ticket)}/comment", query) or {"comments": []}
        return any(mark in _texts(comment["body"]) for comment in page["comments"])

    def _finish(self, ticket: str) -> bool:
        """Whether the issue was moved; not if it is done already. Raises DeskFault."""
        query = {"fields": "status", "expand": "transitions"}
        issue = self._rest.find(_path(ticket), query)
        if issue is None or _is_done(issue["fields"]["status"]):
            return False
        ids = [each["id"] for each in issue["transitions"] if _is_done(each["to"])]
        if not ids:
            raise DeskFault(Outcome("refused", f"no transition leads {ticket} to a done status from where it is"))
        self._rest.call("POST", f"{_path(ticket)}/transitions", {"transition": {"id": ids[0]}})
        return True


def _is_done(status: dict[str, Any]) -> bool:
    """Whatever the workflow calls it."""
    return bool(status["statusCategory"]["key"] == "done")


def _path(ticket: str) -> str:
    return f"/rest/api/3/issue/{ticket}"


def _document(text: str) -> dict[str, Any]:
    """Text as an Atlassian document, a paragraph a line; nothing in it is markup."""
    paragraphs = [{"type": "paragraph", "content": [{"type": "text", "text": line}]} for line in text.split("\n")]
    return {"type": "doc", "version": 1, "content": paragraphs}


def _texts(node: dict[str, Any]) -> str:
    """All the text of a document."""
    return str(node.get("text", "")) + "\n".join(_texts(each) for each in node.get("content", ()))
