"""What can be changed in the Graph stand-in while it runs: its sites and its behaviour, over HTTP too."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from aiohttp import web
from pydantic import ConfigDict, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError

from local.m365.tenant import JSON_NAMES, Crowd, Site, Tenant
from shared.model.validation import clauses

GRANTED = frozenset({"Reports.Read.All", "Sites.Read.All", "ReportSettings.Read.All", "Domain.Read.All", "Mail.Send"})
EXPLANATION = """\
This stands in for Microsoft Graph. Under /v1.0/ it answers the calls of a storage scan, for its own bearer token.
It tells of sites that you can change; the next scan sees it:

GET   /sites       the sites
PATCH /sites       [{"url": "https://contoso.sharepoint.com/sites/hr", "usedBytes": 25838523252736}] changes these,
                   and adds those it does not know
PUT   /sites       the same, and forgets all others
PUT   /crowd       {"sites": 100000, "near": 100} adds so many made-up sites; {} takes them away
GET   /behaviour   how it answers
PUT   /behaviour   {"concealed": true} or {"throttles": [{"path": "/drive", "times": 2}]}; {} answers well again
GET   /requests    what was asked, newest last

All sizes are in bytes. Members of a site and of the behaviour are those that GET shows.
"""


@dataclass
class Throttle:
    """The next `times` requests with `path` in their path are refused."""

    __pydantic_config__: ClassVar[ConfigDict] = JSON_NAMES

    path: str = ""
    times: NonNegativeInt = 1
    status: Literal[403, 429, 503] = 429
    """403 is for the Management Activity API."""
    retry_after_seconds: NonNegativeInt | None = 1
    """None: the answer does not say when to come back."""
    after: NonNegativeInt = 0
    """So many such requests are let through before."""


@dataclass
class RateLimit:
    """What the `RateLimit-*` headers of every answer say."""

    __pydantic_config__: ClassVar[ConfigDict] = JSON_NAMES

    limit: PositiveInt = 1200
    remaining: NonNegativeInt = 0
    reset_seconds: NonNegativeInt = 1


@dataclass
class Behaviour:
    """How the stand-in answers: without changes, as a healthy service."""

    __pydantic_config__: ClassVar[ConfigDict] = JSON_NAMES

    permissions: frozenset[str] = GRANTED
    """The permissions that the caller was granted."""
    concealed: bool = False
    """Whether the tenant conceals names in its reports."""
    shuffled_columns: bool = False
    byte_order_mark: bool = True
    link_seconds: NonNegativeInt = 300
    """How long the report's second address is good for."""
    cut_after_pieces: PositiveInt | None = None
    """The report's connection breaks after so many pieces: the header, then at most 1,000 rows each."""
    throttles: list[Throttle] = field(default_factory=list)
    rate_limit: RateLimit | None = None


@dataclass(frozen=True)
class Seen:
    """A request as it came to Graph, or to the report's second origin."""

    __pydantic_config__: ClassVar[ConfigDict] = JSON_NAMES

    origin: Literal["graph", "download"]
    path: str
    authorized: bool
    """Whether it carried an Authorization header."""
    at_seconds: float
    """When it came, on the monotonic clock."""


class Controlled(Protocol):
    """What the control API changes."""

    tenant: Tenant
    behaviour: Behaviour

    @property
    def requests(self) -> list[Seen]: ...


SITES = TypeAdapter(list[Site])
CHANGES = TypeAdapter(list[dict[str, Any]])
CROWD = TypeAdapter(Crowd)
BEHAVIOUR = TypeAdapter(Behaviour)
REQUESTS = TypeAdapter(list[Seen])


def add_control(app: web.Application, of: Controlled, more: Sequence[str]) -> None:
    """The routes beside Graph's own; `more` is explained too. They need no token: they listen on this machine only."""

    async def explain(_request: web.Request) -> web.Response:
        return web.Response(text="\n".join([EXPLANATION, *more]))

    async def sites(_request: web.Request) -> web.Response:
        return json_answer(SITES.dump_json(list(of.tenant.sites.values()), by_alias=True))

    async def put_sites(request: web.Request) -> web.Response:
        given = SITES.validate_json(await request.read())
        of.tenant.sites = {site.url: site for site in given}
        return await sites(request)

    async def change_sites(request: web.Request) -> web.Response:
        known = of.tenant.sites
        changed = []
        for change in CHANGES.validate_json(await request.read()):
            before = known.get(str(change.get("url")))
            changed.append({**(SITES.dump_python([before], by_alias=True)[0] if before else {}), **change})
        of.tenant.put(*SITES.validate_python(changed))
        return await sites(request)

    async def put_crowd(request: web.Request) -> web.Response:
        of.tenant.crowd = CROWD.validate_json(await request.read())
        return json_answer(CROWD.dump_json(of.tenant.crowd, by_alias=True))

    async def behaviour(_request: web.Request) -> web.Response:
        return json_answer(BEHAVIOUR.dump_json(of.behaviour, by_alias=True))

    async def put_behaviour(request: web.Request) -> web.Response:
        of.behaviour = BEHAVIOUR.validate_json(await request.read())
        return await behaviour(request)

    async def requests(_request: web.Request) -> web.Response:
        return json_answer(REQUESTS.dump_json(of.requests, by_alias=True))

    app.router.add_get("/", explain)
    app.router.add_get("/sites", sites)
    app.router.add_put("/sites", checked(put_sites))
    app.router.add_patch("/sites", checked(change_sites))
    app.router.add_put("/crowd", checked(put_crowd))
    app.router.add_get("/behaviour", behaviour)
    app.router.add_put("/behaviour", checked(put_behaviour))
    app.router.add_get("/requests", requests)


def checked(change: Callable[[web.Request], Awaitable[web.Response]]) -> Callable[..., Awaitable[web.Response]]:
    """`change`, which answers 400 and what is wrong with a body that it cannot take."""

    async def answer(request: web.Request) -> web.Response:
        try:
            return await change(request)
        except ValidationError as error:
            lines = clauses(error, object, await request.read())
            return web.Response(status=400, text="".join(f"{line}\n" for line in lines))

    return answer


def json_answer(body: bytes) -> web.Response:
    return web.Response(body=body + b"\n", content_type="application/json")
