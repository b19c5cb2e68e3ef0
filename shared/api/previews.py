"""Before anything is sent, and after: a body in any wire format, which endpoints an event would go to, and the request
of a delivery as its receiver got it."""

from typing import Annotated, Literal

from pydantic import Field

from shared.admin.preview import Unavailable, body_of, request_sent
from shared.admin.samples import sample_content
from shared.api.deliveries import find_delivery
from shared.api.delivery_views import EXAMPLE_KEY
from shared.api.endpoint_bodies import Format
from shared.api.endpoint_views import EXAMPLE_ID, EXAMPLE_URL, WireFormat
from shared.api.endpoints import may_see
from shared.api.events import MOST_EVENT_BYTES, EventBody, read_event
from shared.api.http.call import Request, Response, invalid, validated
from shared.api.http.operation import Returns, Tag, operation, path
from shared.api.http.problem import bad_request, conflict, not_found
from shared.api.http.view import Component, Count, FreeObject, Time, View, example
from shared.delivery.publisher import own_event
from shared.formats import FORMATS
from shared.model import ENDPOINT_ID, Endpoint, Event, Model
from shared.model.catalogue import publish_problem
from shared.model.delivery import Unsendable
from shared.model.filters import objections
from shared.model.json_text import members

_EXAMPLE_BODY = '{"type":"ProvisioningStarted","content":{…},"meta":{…}}'


class FormatView(View):
    format: WireFormat
    title: str
    description: str
    needs_auth: Annotated[bool, Field(description="Its receivers usually let in only who gives `auth`")]
    settings_schema: Annotated[FreeObject, Field(description="JSON Schema of its `settings`")] | None = None


class FormatList(View):
    model_config = example(
        {
            "value": [
                {
                    "format": "slack",
                    "title": "Slack",
                    "description": "A message for an incoming webhook of Slack.",
                    "needsAuth": False,
                }
            ]
        }
    )

    value: list[FormatView]


class PreviewRequest(Model):
    """`type` takes the catalogue's sample; `event` is one of the caller's."""

    model_config = example({"format": "slack", "type": "storage.threshold_exceeded"})

    format: Format
    settings: FreeObject | None = None
    endpoint: (
        Annotated[
            str, Field(max_length=26, description="An endpoint's id: `settings` are then a merge patch of what it has")
        ]
        | None
    ) = None
    type: Annotated[str, Field(max_length=128)] | None = None
    event: FreeObject | None = None


class Preview(View):
    model_config = example({"contentType": "application/json", "body": _EXAMPLE_BODY, "bytes": 214})

    content_type: str
    body: str
    bytes: Count


class SentRequest(View):
    model_config = example(
        {
            "method": "POST",
            "url": EXAMPLE_URL,
            "headers": {"Content-Type": "application/json", "webhook-id": EXAMPLE_KEY, "Signature": "…"},
            "contentType": "application/json",
            "body": _EXAMPLE_BODY,
            "bytes": 214,
        }
    )

    method: Literal["POST"]
    url: Annotated[str, Field(description="Told to Point.Admin alone")] | None = None
    headers: Annotated[
        dict[str, str], Component("SentHeaders"), Field(description="Signatures and values of `auth` are not told: `…`")
    ]
    content_type: str
    body: Annotated[str, Field(description="Told to Point.Admin alone where settings are part of it")] | None = None
    bytes: Count
    changed_since: (
        Annotated[
            Time, Field(description="The endpoint has changed since the first attempt, so the body may be another")
        ]
        | None
    ) = None


class Match(View):
    endpoint_id: str
    name: str | None = None
    host: str
    matches: bool
    because: (
        Annotated[
            list[Literal["types", "minSeverity", "tenants", "sites", "disabled"]],
            Field(description="What stands against it; absent where it matches"),
        ]
        | None
    ) = None


class Matches(View):
    model_config = example(
        {
            "value": [
                {"endpointId": EXAMPLE_ID, "host": "contoso.azurewebsites.net", "matches": False, "because": ["types"]}
            ]
        }
    )

    value: list[Match]


@operation("List the wire formats", tag=Tag.ENDPOINTS, answers={200: Returns("Every wire format", FormatList)})
def list_formats(request: Request) -> Response:
    shown = [
        FormatView(
            format=name,
            title=known.title,
            description=known.description,
            needs_auth=known.needs_auth is not None,
            settings_schema=None if known.settings is None else known.settings.model_json_schema(),
        )
        for name, known in FORMATS.items()
    ]
    return Response(200, FormatList(value=shown).shown())


@operation(
    "See the body of an event in a wire format",
    tag=Tag.ENDPOINTS,
    answers={200: Returns("What a receiver would get", Preview)},
    description="Give `type` or `event`. Settings are checked as a registration checks them. Nothing is sent.",
    body=PreviewRequest,
)
def preview(request: Request) -> Response:
    """Renders an event, and sends nothing."""
    body = request.model(PreviewRequest, 2 * MOST_EVENT_BYTES)
    event = _event(request, body)
    try:
        made = body_of(body.format, body.settings or {}, _endpoint(request, body.endpoint), event)
    except Unsendable as reason:
        raise bad_request(f"It cannot be said in this format: {reason}") from None
    if isinstance(made, list):
        raise invalid(made)
    content_type, data = made
    return Response(200, Preview(content_type=content_type, body=data.decode(), bytes=len(data)).shown())


@operation(
    "Explain which endpoints an event would go to",
    tag=Tag.EVENTS,
    answers={200: Returns("Every endpoint, and what stands against it", Matches)},
    description="Nothing is stored or sent.",
    body=EventBody,
)
def match(request: Request) -> Response:
    """Says for each endpoint whether an event would go there, and if not, why."""
    event = read_event(request, *request.json(MOST_EVENT_BYTES))
    shown = []
    for endpoint in request.app.endpoints.read_all():
        against = objections(endpoint, event)
        shown.append(
            Match(
                endpoint_id=endpoint.id,
                name=endpoint.name,
                host=endpoint.host,
                matches=not against,
                because=against or None,
            )
        )
    return Response(200, Matches(value=shown).shown())


@operation(
    "Read the request of a delivery",
    tag=Tag.DELIVERIES,
    answers={200: Returns("As the receiver got it", SentRequest)},
    description="Made anew from the stored event, in the format that was fixed when it was published, with the "
    "endpoint's settings as they are now. 409 where the event was erased or the endpoint is gone.",
    parameters=(path("id", "The delivery's id, in any case", {"type": "string", "minLength": 1}),),
    refusals=(409,),
)
def read_request(request: Request) -> Response:
    """The request that the attempts of a delivery make."""
    delivery_id, delivery = find_delivery(request)
    sent = request_sent(request.app, delivery_id, delivery)
    if isinstance(sent, Unavailable):
        raise conflict(sent.reason)
    shown = SentRequest(
        method="POST",
        url=sent.url if request.caller.is_admin else None,
        headers=dict(sent.headers),
        content_type=sent.content_type,
        body=sent.body.decode() if request.caller.is_admin or not sent.has_settings else None,
        bytes=len(sent.body),
        changed_since=sent.changed_at,
    )
    return Response(200, shown.shown())


def _event(request: Request, body: PreviewRequest) -> Event:
    if (body.type is None) == (body.event is None):
        raise bad_request("Give `type` for the catalogue's sample, or `event`: one of the two")
    if body.event is not None:
        text = members(request.json(2 * MOST_EVENT_BYTES)[1])["event"]
        validated(EventBody, body.event, "event.")
        return read_event(request, body.event, text, "event.")
    problem = publish_problem(str(body.type), "app")
    if problem:
        raise bad_request(f"type: {problem}")
    return own_event(request.app, str(body.type), sample_content(str(body.type)), "test-preview")


def _endpoint(request: Request, endpoint_id: str | None) -> Endpoint | None:
    if endpoint_id is None:
        return None
    known = ENDPOINT_ID.fullmatch(endpoint_id.upper())
    endpoint = request.app.endpoints.read(known[0]) if known else None
    if endpoint is None or not may_see(request, endpoint):
        raise not_found("endpoint: there is no endpoint with this id")
    return endpoint
