"""Stands in for a Jira Cloud site: issues, their properties, comments and transitions (REST API v3), as far as used."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from standins.desk_server import DeskServer

STATUSES = {"Waiting for approval": "new", "Approved": "indeterminate", "Done": "done"}
"""Each with the key of its category."""
ERRORS = {
    401: "Client must be authenticated to access this resource.",
    404: "Issue does not exist or you do not have permission to see it.",
    409: "Another transition of this issue is under way.",
    429: "Rate limit exceeded.",
}


@dataclass
class Issue:
    summary: str
    status: str
    created: str
    email: str = "mia@contoso.example"
    """The reporter's; empty where it is hidden."""
    properties: dict[str, Any] = field(default_factory=dict)
    comments: list[dict[str, Any]] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        """The comments, as people read them, in the order in which they came."""
        return ["\n".join(_text(part) for part in each["body"]["content"]) for each in self.comments]


class JiraServer(DeskServer):
    def __init__(self) -> None:
        super().__init__()
        self.issues: dict[str, Issue] = {}

    def file(self, key: str, summary: str, status: str = "Approved") -> Issue:
        """A new issue."""
        now = datetime.now(UTC)
        self.issues[key] = Issue(summary, status, f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}+0000")
        return self.issues[key]

    def make(self) -> web.Application:
        path = "/rest/api/3/issue/{key}"
        return self.application(
            [
                web.get(path, self._read),
                web.get(path + "/properties/{name}", self._property),
                web.put(path + "/properties/{name}", self._set_property),
                web.get(path + "/comment", self._comments),
                web.post(path + "/comment", self._comment),
                web.post(path + "/transitions", self._move),
            ]
        )

    def error(self, status: int) -> Any:
        return {"errorMessages": [ERRORS.get(status, f"status {status}")], "errors": {}}

    def _issue(self, request: web.Request) -> Issue:
        issue = self.issues.get(request.match_info["key"])
        if issue is None:
            raise web.HTTPNotFound
        return issue

    async def _read(self, request: web.Request) -> web.Response:
        issue = self._issue(request)
        fields = {
            "summary": issue.summary,
            "status": _status(issue.status),
            "created": issue.created,
            "reporter": {"accountId": "5b10ac8d82e05b22cc7d4ef5", "displayName": "Mia", "emailAddress": issue.email},
        }
        asked = request.query["fields"].split(",")
        answer: dict[str, Any] = {"key": request.match_info["key"], "fields": {name: fields[name] for name in asked}}
        if request.query.get("expand") == "transitions":
            answer["transitions"] = self._transitions(issue)
        return web.json_response(answer)

    def _transitions(self, issue: Issue) -> list[dict[str, Any]]:
        """From every status to every other one."""
        ids = {name: str(number) for number, name in enumerate(STATUSES, 11)}
        return [{"id": ids[name], "name": name, "to": _status(name)} for name in STATUSES if name != issue.status]

    async def _property(self, request: web.Request) -> web.Response:
        name, issue = request.match_info["name"], self._issue(request)
        if name not in issue.properties:
            raise web.HTTPNotFound
        return web.json_response({"key": name, "value": issue.properties[name]})

    async def _set_property(self, request: web.Request) -> web.Response:
        name, issue = request.match_info["name"], self._issue(request)
        status = 200 if name in issue.properties else 201
        issue.properties[name] = await request.json()
        return web.Response(status=status)

    async def _comments(self, request: web.Request) -> web.Response:
        issue = self._issue(request)
        newest = issue.comments[::-1][: int(request.query.get("maxResults", "50"))]
        assert request.query.get("orderBy") == "-created", "the oldest first is not built here"  # noqa: S101
        return web.json_response(
            {"startAt": 0, "maxResults": 50, "total": len(issue.comments), "comments": newest},
        )

    async def _comment(self, request: web.Request) -> web.Response:
        issue, comment = self._issue(request), await request.json()
        if not isinstance(comment.get("body"), dict) or comment["body"].get("type") != "doc":
            return web.json_response({"errorMessages": [], "errors": {"comment": "is not a document"}}, status=400)
        issue.comments.append({"id": str(10000 + len(issue.comments)), **comment})
        return web.json_response(issue.comments[-1], status=201)

    async def _move(self, request: web.Request) -> web.Response:
        issue, wanted = self._issue(request), (await request.json())["transition"]["id"]
        names = [each["name"] for each in self._transitions(issue) if each["id"] == wanted]
        if not names:
            return web.json_response({"errorMessages": ["No such transition."], "errors": {}}, status=400)
        issue.status = names[0]
        return web.Response(status=204)


def _status(name: str) -> dict[str, Any]:
    return {"name": name, "statusCategory": {"key": STATUSES[name]}}


def _text(paragraph: dict[str, Any]) -> str:
    return "".join(node["text"] for node in paragraph["content"])
