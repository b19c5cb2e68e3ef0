"""Serves the tenant in which workspaces are made: Graph's and SharePoint's calls, and a control API beside them."""

from typing import Any, Literal

from aiohttp import web
from pydantic import TypeAdapter

from local.m365.control import checked
from local.m365.directory import Directory
from local.m365.workspaces import Asked, Manners, Told

WORKSPACES_EXPLANATION = """\
It stands in for the tenant's SharePoint too, at the same address and for the same token, and makes workspaces:

GET   /workspaces           what was made, and the people there are
GET   /workspaces/manners   how long things take, and what is refused
PUT   /workspaces/manners   {"siteAfterSeconds": 20, "faults": [{"path": "/team", "status": 502}]}; {} is at once
"""

_MANNERS = TypeAdapter(Manners)


def add_workspaces(app: web.Application, directory: Directory, token: str) -> None:
    """The routes, after all others: of Graph those that nothing else answers."""

    async def graph(request: web.Request) -> web.StreamResponse:
        return await _answer(directory, "graph", request)

    async def sharepoint(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {token}":
            return web.json_response({"error_description": "Unsupported app only token."}, status=401)
        return await _answer(directory, "sharepoint", request)

    async def made(_request: web.Request) -> web.Response:
        return web.json_response(_shown(directory))

    async def manners(_request: web.Request) -> web.Response:
        return web.Response(body=_MANNERS.dump_json(directory.manners, by_alias=True), content_type="application/json")

    async def put_manners(request: web.Request) -> web.Response:
        directory.manners = _MANNERS.validate_json(await request.read())
        return await manners(request)

    app.router.add_get("/workspaces", made)
    app.router.add_get("/workspaces/manners", manners)
    app.router.add_put("/workspaces/manners", checked(put_manners))
    app.router.add_route("*", "/_api/{rest:.+}", sharepoint)
    app.router.add_route("*", "/sites/{alias}/_api/{rest:.+}", sharepoint)
    app.router.add_route("*", "/v1.0/{rest:.+}", graph)


async def _answer(
    directory: Directory, service: Literal["graph", "sharepoint"], request: web.Request
) -> web.StreamResponse:
    directory.base_url = str(request.url.origin())
    body: Any = await request.json() if request.can_read_body else {}
    told = directory.answer(
        Asked(service, request.method, request.path, dict(request.query), body, dict(request.headers))
    )
    if not told.status and request.transport:
        request.transport.abort()  # the work is done, and nobody hears of it
    return _response(told)


def _response(told: Told) -> web.Response:
    status = told.status or 500
    if told.value is None:
        return web.Response(status=status, headers=told.headers)
    return web.json_response(told.value, status=status, headers=told.headers)


def _shown(directory: Directory) -> dict[str, Any]:
    return {
        "people": [person.name for person in directory.people.values()],
        "groups": [
            {"id": each.id, "name": each.display_name, "address": each.alias, "isTeam": each.is_team}
            for each in directory.groups.values()
        ],
        "sites": [
            {"id": each.id, "name": each.title, "address": each.alias} for each in directory.collections.values()
        ],
        "communities": [{"id": each.id, "name": each.name} for each in directory.communities.values()],
    }
