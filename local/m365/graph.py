"""A stand-in for Microsoft Graph on this machine: the calls that a storage scan makes, and their faults on request."""

import argparse
import asyncio
import contextlib
import secrets
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlencode

from aiohttp import web

from local.m365 import activity
from local.m365.activity import ActivityStandIn
from local.m365.control import Behaviour, Seen, add_control
from local.m365.directory import Directory
from local.m365.file_activity import FileActivity
from local.m365.mail import EXPLANATION as MAIL_EXPLANATION
from local.m365.mail import LARGEST_REQUEST_BYTES, Outbox, add_outbox
from local.m365.tenant import Crowd, Site, Tenant, contoso, report
from local.m365.workspace_routes import WORKSPACES_EXPLANATION, add_workspaces
from local.m365.workspaces import Manners
from local.serving import serving

PAGE = 200
LARGEST_PAGE = 999
REQUESTS_KEPT = 10_000


class GraphStandIn:
    """Answers for `tenant` as `behaviour` says; both may be changed while it runs. `on_request` hears of each request
    before its answer goes out."""

    def __init__(self, tenant: Tenant | None = None, on_request: Callable[[Seen], None] = lambda _: None) -> None:
        self.tenant = tenant or contoso()
        self.behaviour = Behaviour()
        self.workspaces = Directory(lambda: datetime.now(UTC), manners=Manners(wait_seconds=1))
        """What is made in the tenant."""
        self.workspaces.add_group("Finance", "finance")
        self.outbox = Outbox(self.tenant.domains)
        """What was sent by mail."""
        self.token = secrets.token_urlsafe(24)
        """The bearer token that it takes."""
        self.url = self.download_url = ""
        self.activity = ActivityStandIn(self.tenant.id)
        self._requests: deque[Seen] = deque(maxlen=REQUESTS_KEPT)
        self._on_request = on_request
        self._links: dict[str, float] = {}

    @property
    def requests(self) -> list[Seen]:
        """The newest ones, in order."""
        return list(self._requests)

    def application(self) -> web.Application:
        """Graph itself, and the control API beside it."""
        app = web.Application(middlewares=[self._guard], client_max_size=2 * LARGEST_REQUEST_BYTES)
        get = app.router.add_get
        get("/v1.0/reports/getSharePointSiteUsageDetail(period='{period}')", self._report)
        get("/v1.0/admin/reportSettings", self._report_settings)
        get("/v1.0/sites/getAllSites", self._all_sites)
        get("/v1.0/sites/{site:.+}/drive", self._drive)
        get("/v1.0/organization", self._organization)
        get("/v1.0/domains", self._domains)
        app.router.add_post("/v1.0/users/{mailbox}/sendMail", self._send_mail)
        add_control(app, self, [activity.EXPLANATION, WORKSPACES_EXPLANATION, MAIL_EXPLANATION])
        add_outbox(app, self.outbox)
        add_workspaces(app, self.workspaces, self.token)
        self.activity.add_routes(app)
        return app

    def downloads(self) -> web.Application:
        """The origin that the report's address leads to."""
        app = web.Application()
        app.router.add_get("/data/download/{link}", self._download)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """What Graph checks before it looks at a request."""
        if not request.path.startswith("/v1.0/"):
            answer: web.StreamResponse = await handler(request)
            return answer
        self._see("graph", request)
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or given != self.token:
            message = "Invalid authentication token." if given else "Access token is empty."
            return _error(401, "InvalidAuthenticationToken", message, {"WWW-Authenticate": 'Bearer realm=""'})
        answer = self._throttled(request.path) or await self._answered(request, handler)
        if limit := self.behaviour.rate_limit:
            answer.headers["RateLimit-Limit"] = str(limit.limit)
            answer.headers["RateLimit-Remaining"] = str(limit.remaining)
            answer.headers["RateLimit-Reset"] = str(limit.reset_seconds)
        return answer

    async def _answered(self, request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            answer: web.StreamResponse = await handler(request)
        except web.HTTPNotFound:
            segment = request.path.rstrip("/").rpartition("/")[2]
            return _error(400, "BadRequest", f"Resource not found for the segment '{segment}'.")
        return answer

    def _throttled(self, path: str) -> web.Response | None:
        for throttle in self.behaviour.throttles:
            if throttle.path not in path or not throttle.times:
                continue
            if throttle.after:
                throttle.after -= 1
                continue
            throttle.times -= 1
            wait = throttle.retry_after_seconds
            headers = {} if wait is None else {"Retry-After": str(wait)}
            if throttle.status == 503:
                return _error(503, "serviceNotAvailable", "The service is not available. Try again later.", headers)
            return _error(429, "activityLimitReached", "The request has been throttled.", headers)
        return None

    def _lacks(self, permission: str) -> bool:
        return permission not in self.behaviour.permissions

    async def _report(self, request: web.Request) -> web.Response:
        if self._lacks("Reports.Read.All"):
            return _error(403, "S2SUnauthorized", "Invalid permission.")
        if request.match_info["period"] not in ("D7", "D30", "D90", "D180"):
            return _error(400, "BadRequest", "Invalid period value specified. Supported values are D7, D30, D90, D180.")
        link = secrets.token_urlsafe(32)
        self._links[link] = time.monotonic() + self.behaviour.link_seconds
        return web.Response(status=302, headers={"Location": f"{self.download_url}/data/download/{link}"})

    async def _download(self, request: web.Request) -> web.StreamResponse:
        self._see("download", request)
        if "Authorization" in request.headers:
            return web.Response(status=400, text="This address takes no Authorization header.")
        if self._links.get(request.match_info["link"], 0) <= time.monotonic():
            return web.Response(status=403, text="This address has expired, or never existed.")
        behaviour = self.behaviour
        day = (datetime.now(UTC) - timedelta(days=2)).date()
        pieces = report(
            self.tenant,
            day,
            concealed=behaviour.concealed,
            shuffled=behaviour.shuffled_columns,
            byte_order_mark=behaviour.byte_order_mark,
        )
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(request)
        for number, piece in enumerate(pieces):
            if number == behaviour.cut_after_pieces and request.transport:
                request.transport.abort()
            await response.write(piece)
        return response

    async def _report_settings(self, _request: web.Request) -> web.Response:
        if self._lacks("ReportSettings.Read.All"):
            return _denied()
        return web.json_response({"displayConcealedNames": self.behaviour.concealed})

    async def _all_sites(self, request: web.Request) -> web.Response:
        if self._lacks("Sites.Read.All"):
            return _denied()
        start = _number(request, "$skiptoken", 0)
        count = min(_number(request, "$top", PAGE), LARGEST_PAGE)
        found = self.tenant.listed(start, count)
        answer: dict[str, Any] = {"value": [{"id": site_id, "webUrl": url} for site_id, url in found]}
        if self.tenant.listed(start + count, 1):
            query = urlencode({**request.query, "$top": count, "$skiptoken": start + count}, safe="$")
            answer["@odata.nextLink"] = f"{request.url.origin()}{request.path}?{query}"
        return web.json_response(answer)

    async def _drive(self, request: web.Request) -> web.Response:
        if self._lacks("Sites.Read.All"):
            return _denied()
        site = self.tenant.find(request.match_info["site"])
        if site is None:
            return _error(404, "itemNotFound", "The requested site could not be found.")
        return web.json_response({"quota": _quota(site)})

    async def _organization(self, _request: web.Request) -> web.Response:
        if self._lacks("Organization.Read.All"):
            return _denied()
        return web.json_response({"value": [{"id": self.tenant.id, "displayName": self.tenant.display_name}]})

    async def _domains(self, _request: web.Request) -> web.Response:
        if self._lacks("Domain.Read.All"):
            return _denied()
        return web.json_response({"value": [{"id": name, "isVerified": True} for name in self.tenant.domains]})

    async def _send_mail(self, request: web.Request) -> web.Response:
        if self._lacks("Mail.Send"):
            return _error(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
        refusal = self.outbox.take(request.match_info["mailbox"], request.headers, await request.read())
        return _error(*refusal) if refusal else web.Response(status=202)

    def _see(self, origin: Literal["graph", "download"], request: web.Request) -> None:
        seen = Seen(origin, request.path, "Authorization" in request.headers, time.monotonic())
        self._requests.append(seen)
        self._on_request(seen)


@contextlib.asynccontextmanager
async def serving_graph(graph: GraphStandIn, port: int = 0) -> AsyncIterator[str]:
    """Serve Graph on `port` (0: any free one) and its downloads on another; the value is Graph's URL."""
    async with serving(graph.downloads()) as graph.download_url, serving(graph.application(), port) as graph.url:
        yield graph.url


def _quota(site: Site) -> dict[str, Any]:
    remaining = max(site.quota_bytes - site.live_bytes, 0)
    state = "normal" if remaining * 10 >= site.quota_bytes else "nearing"
    if remaining * 100 < site.quota_bytes:
        state = "critical" if remaining else "exceeded"
    sizes = {"total": site.quota_bytes, "used": site.live_bytes, "remaining": remaining, "deleted": 0}
    return {**sizes, "state": state}


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    return int(text) if text.isdecimal() else default


def _denied() -> web.Response:
    return _error(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """An error in Graph's shape."""
    request_id = str(uuid.uuid4())
    date = datetime.now(UTC).isoformat(timespec="seconds").removesuffix("+00:00")
    inner = {"date": date, "request-id": request_id, "client-request-id": request_id}
    body = {"error": {"code": code, "message": message, "innerError": inner}}
    return web.json_response(body, status=status, headers={**(headers or {}), "request-id": request_id})


async def _serve_until_ended(port: int, crowd: Crowd, files: FileActivity) -> None:
    graph = GraphStandIn(Tenant(crowd=crowd))
    graph.activity.file_activity = files
    async with serving_graph(graph, port) as url:
        print(f"MANAGEMENT_BASE_URL={url}\nMANAGEMENT_ACCESS_TOKEN={graph.activity.token}", flush=True)
        print(f"GRAPH_BASE_URL={url}\nGRAPH_ACCESS_TOKEN={graph.token}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m local.m365.graph", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    parser.add_argument("--sites", type=int, default=0, help="how many made-up sites it tells of")
    parser.add_argument("--near", type=int, default=0, help="how many of them use 75 percent of their quota or more")
    parser.add_argument("--contents", type=int, default=0, help="how many contents of the audit feed, of 1,000 records")
    parser.add_argument("--shares", type=int, default=0, help="how many of these records are about sharing")
    parser.add_argument("--seed", type=int, default=7, help="the same one makes the same sites and records")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        crowd = Crowd(options.sites, options.near, options.seed)
        files = FileActivity(contents=options.contents, shares=options.shares, seed=options.seed)
        asyncio.run(_serve_until_ended(options.port, crowd, files))
