"""`/v1.0/provision`: ask for a workspace, and what became of it. Paths and bodies are Syskit Point's."""

from typing import get_args

from shared import logs
from shared.api import provisioning_views as views
from shared.api.http.call import Request, Response, invalid, validated
from shared.api.http.operation import CONTINUATION, Handler, Returns, Tag, header, how_many, operation, path, query
from shared.api.http.problem import bad_continuation, bad_request, conflict, not_found
from shared.api.subscriptions import base_url
from shared.model.clouds import CLOUDS
from shared.model.json_text import members
from shared.model.provisioning import WORDS, Kind
from shared.provisioning.acceptance import Accepted, Caller, KeyTaken, Unacceptable, Wanted, accept
from shared.storage.workspaces import MOST_LINES, Status, WorkspaceRequest

MOST_METADATA_BYTES = 16 * 1024
DEFAULT_TOP, MOST_TOP = 50, 200

_ID = path("id", "The request's id", {"type": "string", "format": "uuid"})


def _provision(kind: Kind) -> Handler:
    """The handler of one kind of workspace."""
    noun = WORDS[kind].noun

    @operation(
        f"Ask for a {noun}",
        tag=Tag.WORKSPACES,
        answers={202: Returns("Accepted: events tell when it starts and how it ends", views.AcceptedRequest)},
        description="Names, template and users are checked before. 404 where this kind is not switched on "
        "(`PROVISIONING_KINDS`). With an `Idempotency-Key` a repeated call makes nothing more; without one each call "
        "is a new request.",
        parameters=(
            header(
                "Idempotency-Key",
                "Makes a repeated call harmless; of the ticket, for example",
                {"type": "string", "minLength": 1, "maxLength": 200},
            ),
        ),
        body=views.WorkspaceBody,
        refusals=(404, 409),
    )
    def handler(request: Request) -> Response:
        _require_kind(request, kind)
        key = request.header("idempotency-key")
        if key is not None and not 1 <= len(key) <= 200:
            raise bad_request("Idempotency-Key: give 1 to 200 characters")
        outcome = accept(request.app, _wanted(request, kind), Caller(_requester(request), key))
        if isinstance(outcome, Unacceptable):
            raise invalid(outcome.errors)
        if isinstance(outcome, KeyTaken):
            raise conflict(
                f"The idempotency key belongs to the request {outcome.request_id}, which asks for something else: "
                "use a new key for a new request, and the same body to repeat one"
            )
        return _accepted(request, outcome)

    handler.__name__ = handler.__qualname__ = f"provision_{kind}"
    return handler


provision_teams = _provision("teams")
provision_groups = _provision("groups")
provision_sites = _provision("sites")
provision_yammer = _provision("yammer")


@operation(
    "List the requests for workspaces",
    tag=Tag.WORKSPACES,
    answers={200: Returns("A page, newest first", views.RequestPage)},
    description=f"A call looks at {MOST_LINES} requests: with a `status` a page may be short, even empty. Go on while "
    "there is a `continuation`.",
    parameters=(
        query("status", "Only requests of this status", {"$ref": "#/components/schemas/WorkspaceStatus"}),
        how_many(DEFAULT_TOP, MOST_TOP),
        CONTINUATION,
    ),
)
def list_requests(request: Request) -> Response:
    top = request.number("top", DEFAULT_TOP, 1, MOST_TOP)
    try:
        page = request.app.workspaces.page(_status(request), top, request.query("continuation"))
    except ValueError:
        raise bad_continuation() from None
    rows = [views.request_view(row) for row in page.items]
    return Response(200, views.RequestPage(value=rows, continuation=page.continuation).shown())


@operation(
    "Read a request for a workspace",
    tag=Tag.WORKSPACES,
    answers={200: Returns("The request, and what became of it", views.Request)},
    parameters=(_ID,),
)
def get_request(request: Request) -> Response:
    return Response(200, views.request_view(_found(request)).shown())


@operation(
    "Ask how a request stands",
    tag=Tag.WORKSPACES,
    answers={200: Returns("Its status", views.RequestStatus)},
    parameters=(_ID,),
)
def get_status(request: Request) -> Response:
    row = _found(request)
    return Response(200, views.RequestStatus(request_id=row.id, status=row.status).shown())


@operation(
    "Read what became of a request",
    tag=Tag.WORKSPACES,
    answers={200: Returns("The request, completed or failed", views.Request)},
    description="409 while it is under way.",
    parameters=(_ID,),
    refusals=(409,),
)
def get_result(request: Request) -> Response:
    row = _found(request)
    if not row.is_over:
        raise conflict(f"The request is under way (step {row.step}): ask again later, or wait for its event")
    return Response(200, views.request_view(row).shown())


def _require_kind(request: Request, kind: Kind) -> None:
    settings = request.app.settings
    if kind not in settings.provisioning_kinds:
        raise not_found(
            f"Provisioning of a {WORDS[kind].noun} is not switched on in this deployment: an admin adds {kind} to "
            "PROVISIONING_KINDS and grants the permissions for it (docs/provisioning.md)"
        )
    if kind == "yammer" and not settings.graph_access_token and settings.graph_url != CLOUDS["global"].graph_url:
        raise not_found("Microsoft Graph makes communities in the global cloud only: ask for a team or a group")


def _requester(request: Request) -> str:
    """Who asks, for the events. An administrator's token need not name a directory object."""
    return request.caller.object_id or request.caller.application or "unknown"


def _wanted(request: Request, kind: Kind) -> Wanted:
    value, text = request.json(views.MOST_BODY_BYTES)
    body = validated(views.WorkspaceBody, value)
    metadata = None if body.metadata is None else members(text)["metadata"]
    if metadata is not None and len(metadata.encode()) > MOST_METADATA_BYTES:
        raise invalid([f"metadata: has {len(metadata.encode())} bytes; at most {MOST_METADATA_BYTES} are taken"])
    given = body.model_dump(exclude={"metadata"})
    return Wanted(kind=kind, metadata=metadata, **given)


def _accepted(request: Request, outcome: Accepted) -> Response:
    row = outcome.row
    if not outcome.duplicate:
        logs.audit(request.caller, "workspace.requested", requestId=row.id, workspace=row.kind)
    url = f"{base_url(request)}/v1.0/provision/requests/{row.id}"
    shown = views.AcceptedRequest(request_id=row.id, status="accepted", status_url=url)
    return Response(202, shown.shown())


def _found(request: Request) -> WorkspaceRequest:
    given = request.path("id").lower()
    stored = request.app.workspaces.get(given) if set(given) <= set("0123456789abcdef-") else None
    if stored is None:
        raise not_found("No request with this id is stored")
    return stored.value


def _status(request: Request) -> Status | None:
    found: Status | None = request.one_of("status", get_args(Status))
    return found
