"""A stand-in for the Office 365 Management Activity API on this machine: the audit feed of SharePoint, its faults on
request, and over HTTP what people do in the tenant."""

import asyncio
import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from aiohttp import web
from pydantic import ConfigDict, NonNegativeFloat, PositiveInt, TypeAdapter

from local.m365.control import Throttle, checked, json_answer
from local.m365.file_activity import FileActivity
from local.m365.sharing import Action, Record, records_of
from local.m365.tenant import JSON_NAMES

WIDEST, LOOK_BACK = timedelta(hours=24), timedelta(days=7)
EXPLANATION = """\
It also stands in for the Office 365 Management Activity API, from which sharing is read. What people do there you say;
the next poll reads it:

POST /sharing             [{"do": "share", "item": "https://contoso.sharepoint.com/sites/hr/Shared Documents/Plan.docx",
                          "who": "zoe@fabrikam.example"}], or {"do": "anonymousLink"}, {"do": "revoke"} and others; the
                          answer is the content of the feed that it makes
POST /sharing/records     the same with records of the audit log as they are
GET  /sharing             the contents of the feed
GET  /sharing/behaviour   how the feed answers
PUT  /sharing/behaviour   {"throttles": [{"path": "/content", "status": 403}]}, {"delaySeconds": 60}, {"lost": true} and
                          others; {} answers well again
"""


@dataclass
class FeedBehaviour:
    """How the feed answers: without changes, as a healthy service."""

    __pydantic_config__: ClassVar[ConfigDict] = JSON_NAMES

    permitted: bool = True
    """Whether the caller was granted ActivityFeed.Read."""
    auditing: bool = True
    """Whether the tenant keeps an audit log."""
    disabled: bool = False
    """Whether somebody has disabled the subscription, so that a start does not help."""
    throttles: list[Throttle] = field(default_factory=list)
    delay_seconds: NonNegativeFloat = 0
    """How much later than it was done something arrives in the feed, from now on."""
    lost: bool = False
    """Contents are listed, and reading one fails."""
    gone: bool = False
    """Contents are listed, and have expired when they are read."""
    twice: bool = False
    """Lists name each content twice, in the opposite order the second time."""
    half_seconds: NonNegativeFloat = 0
    """Contents that are younger show the first half of their records."""
    page_size: PositiveInt = 200


@dataclass
class Content:
    """A content of the feed."""

    id: str
    created_at: datetime
    expires_at: datetime
    records: list[Record]


class ActivityStandIn:
    """Answers for one tenant as `behaviour` says; all of it may be changed while it runs."""

    def __init__(self, tenant_id: str) -> None:
        self.tenant_id = tenant_id
        self.token = secrets.token_urlsafe(24)
        """The bearer token that it takes."""
        self.behaviour = FeedBehaviour()
        self.contents: dict[str, Content] = {}
        self.file_activity = FileActivity()
        self.subscribed = False
        self.asked: list[tuple[str, str]] = []
        """Method and path of each request."""
        self.publishers: set[str] = set()
        """What the requests named as their PublisherIdentifier; empty for one that named none."""

    def do(self, *actions: Action) -> Content:
        """What these make of records arrives as one content."""
        return self.add([record for action in actions for record in records_of(action, self.tenant_id)])

    def add(self, records: list[Record], created_at: datetime | None = None) -> Content:
        """Records arrive as one content, now or as the behaviour delays it."""
        arrival = created_at or datetime.now(UTC) + timedelta(seconds=self.behaviour.delay_seconds)
        name = f"{arrival:%Y%m%d%H%M%S%f}${uuid.uuid4().hex}$audit_sharepoint$Audit_SharePoint"
        content = Content(name, arrival, arrival + timedelta(days=7), records)
        self.contents[name] = content
        return content

    def add_routes(self, app: web.Application) -> None:
        root = "/api/v1.0/{tenant}/activity/feed"
        app.router.add_post(f"{root}/subscriptions/start", self._answering(self._start))
        app.router.add_get(f"{root}/subscriptions/list", self._answering(self._subscriptions))
        app.router.add_get(f"{root}/subscriptions/content", self._answering(self._list))
        app.router.add_get(f"{root}/audit/{{content}}", self._answering(self._read))
        app.router.add_post("/sharing", checked(self._put_actions))
        app.router.add_post("/sharing/records", checked(self._put_records))
        app.router.add_get("/sharing", self._shown_contents)
        app.router.add_get("/sharing/behaviour", self._shown_behaviour)
        app.router.add_put("/sharing/behaviour", checked(self._put_behaviour))
        app.router.add_put("/sharing/files", checked(self._put_files))

    def _answering(self, handler: Any) -> Any:
        """What the API checks before it looks at a request."""

        async def answer(request: web.Request) -> web.Response:
            self.asked.append((request.method, request.path))
            self.publishers.add(request.query.get("PublisherIdentifier", ""))
            if request.headers.get("Authorization") != f"Bearer {self.token}":
                return web.Response(status=401, text="")
            refused = self._refused(request)
            return refused or await handler(request)

        return answer

    def _refused(self, request: web.Request) -> web.Response | None:
        for throttle in self.behaviour.throttles:
            if throttle.path in request.path and throttle.times:
                throttle.times -= 1
                wait = throttle.retry_after_seconds
                headers = {} if wait is None else {"Retry-After": str(wait)}
                return _error(throttle.status, "AF429", "Too many requests.", headers)
        if request.match_info["tenant"].lower() != self.tenant_id.lower():
            return _error(400, "AF20010", "The tenant ID passed in the URL does not match the tenant ID in the token.")
        if not self.behaviour.permitted:
            return _error(401, "AF10001", "The permission set sent in the request does not include ActivityFeed.Read.")
        if not self.behaviour.auditing:
            text = f"Microsoft.Office.Compliance.Audit.DataServiceException: Tenant {self.tenant_id} does not exist."
            return _error(400, "AF20011", text)
        return None

    async def _start(self, request: web.Request) -> web.Response:
        if request.query.get("contentType") != "Audit.SharePoint":
            return _error(400, "AF20020", "The specified content type is not valid.")
        if self.behaviour.disabled:
            return _error(400, "AF20023", "The subscription was disabled by a tenant admin.")
        if self.subscribed:
            return _error(400, "AF20024", "The subscription is already enabled. No property change.")
        self.subscribed = True
        return web.json_response({"contentType": "Audit.SharePoint", "status": "enabled", "webhook": None})

    async def _subscriptions(self, _request: web.Request) -> web.Response:
        status = "enabled" if self.subscribed else "disabled"
        return web.json_response([{"contentType": "Audit.SharePoint", "status": status, "webhook": None}])

    async def _list(self, request: web.Request) -> web.Response:
        if self.behaviour.disabled:
            return _error(400, "AF20023", "The subscription was disabled by a tenant admin.")
        if not self.subscribed:
            return _error(400, "AF20022", "No subscription found for the specified content type.")
        now = datetime.now(UTC)
        try:
            start, end = (_time(request.query[name]) for name in ("startTime", "endTime"))
        except (KeyError, ValueError):
            return _error(400, "AF20002", "startTime and endTime must be times.")
        if not start < end or end - start > WIDEST or start < now - LOOK_BACK:
            return _error(
                400, "AF20030", "Start time and end time must both be specified, and be at most 24 hours apart."
            )
        found = sorted(each for each in self._listed() if start <= each[1] < end and each[1] <= now)
        if self.behaviour.twice:
            found += reversed(found)
        return self._page(request, found)

    def _listed(self) -> Iterator[tuple[str, datetime]]:
        yield from ((content.id, content.created_at) for content in self.contents.values())
        yield from self.file_activity.listed()

    def _page(self, request: web.Request, found: list[tuple[str, datetime]]) -> web.Response:
        first = int(request.query.get("nextPage", "0"))
        last, root = first + self.behaviour.page_size, request.url.origin()
        feed = f"{root}{request.path.removesuffix('/subscriptions/content')}"
        entries = [
            {
                "contentType": "Audit.SharePoint",
                "contentId": name,
                "contentUri": f"{feed}/audit/{name}",
                "contentCreated": _text(created_at),
                "contentExpiration": _text(created_at + timedelta(days=7)),
            }
            for name, created_at in found[first:last]
        ]
        headers = {}
        if last < len(found):  # the real header lacks the PublisherIdentifier too
            query = "&".join(f"{name}={request.query[name]}" for name in ("contentType", "startTime", "endTime"))
            headers["NextPageUri"] = f"{root}{request.path}?{query}&nextPage={last}"
        return web.json_response(entries, headers=headers)

    async def _read(self, request: web.Request) -> web.Response:
        name, now = request.match_info["content"], datetime.now(UTC)
        if self.behaviour.lost:
            return _error(500, "AF50000", "An internal error occurred. Retry the request.")
        if name.startswith("crowd"):
            body = await asyncio.to_thread(self.file_activity.body, int(name.partition("$")[2]), self.tenant_id)
            return web.Response(body=body, content_type="application/json")
        content = self.contents.get(name)
        if content is None:
            return _error(400, "AF20050", "The specified content does not exist.")
        if self.behaviour.gone or content.expires_at <= now:
            return _error(400, "AF20051", "Content requested with the key has already expired.")
        is_young = now - content.created_at < timedelta(seconds=self.behaviour.half_seconds)
        return web.json_response(content.records[: len(content.records) // 2] if is_young else content.records)

    async def _put_actions(self, request: web.Request) -> web.Response:
        return _shown(self.do(*_ACTIONS.validate_json(await request.read())))

    async def _put_records(self, request: web.Request) -> web.Response:
        return _shown(self.add(_RECORDS.validate_json(await request.read())))

    async def _shown_contents(self, _request: web.Request) -> web.Response:
        return json_answer(_CONTENTS.dump_json(list(self.contents.values())))

    async def _shown_behaviour(self, _request: web.Request) -> web.Response:
        return json_answer(_BEHAVIOUR.dump_json(self.behaviour, by_alias=True))

    async def _put_behaviour(self, request: web.Request) -> web.Response:
        self.behaviour = _BEHAVIOUR.validate_json(await request.read())
        return await self._shown_behaviour(request)

    async def _put_files(self, request: web.Request) -> web.Response:
        self.file_activity = _FILES.validate_json(await request.read())
        return json_answer(_FILES.dump_json(self.file_activity, by_alias=True))


_ACTIONS = TypeAdapter(list[Action])
_RECORDS = TypeAdapter(list[Record])
_CONTENTS = TypeAdapter(list[Content])
_BEHAVIOUR = TypeAdapter(FeedBehaviour)
_FILES = TypeAdapter(FileActivity)


def _shown(content: Content) -> web.Response:
    return json_answer(TypeAdapter(Content).dump_json(content))


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status, headers=headers)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
