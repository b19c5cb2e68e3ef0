"""What each operation of the API takes and answers, by the name of its function: the matter of /openapi.json.

Method, path and roles are the route's (routes.py), and so are the refusals that follow from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from shared.api import views
from shared.api.deliveries import DEFAULT_TOP, MOST_TOP
from shared.api.endpoint_bodies import EndpointChanges, Registration
from shared.api.endpoints import ReplayRequest, TestRequest, UrlOnly
from shared.api.events import EventBatch, EventBody
from shared.api.options import Rotation
from shared.api.subscriptions import FamilySubscriptionRequest, SubscriptionRequest
from shared.api.usage import DEFAULT_TOP as DEFAULT_SITES
from shared.api.usage import ListedSites, ThresholdsBody
from shared.model import Status
from shared.usage.nearest import MOST_LISTED

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """`body` is the type of the JSON body, None where there is none; `headers` names the headers that it has."""

    description: str
    body: Any = None
    headers: tuple[str, ...] = ()
    or_null: bool = False


@dataclass(frozen=True)
class Operation:
    """`body` is the type of the request's body. `refusals` are the statuses that do not follow from the rest:
    shared/api/http/openapi.py adds those of tokens, bodies, queries and ids. `or_text`: the body may also be a string,
    as JSON or as `text/plain`. `finds`: a path that names nothing is 404."""

    tag: str
    summary: str
    answers: Mapping[int, Answer]
    description: str = ""
    parameters: tuple[Json, ...] = ()
    body: Any = None
    needs_body: bool = True
    or_text: bool = False
    finds: bool = True
    refusals: tuple[int, ...] = ()


def _query(name: str, description: str, schema: Json | None = None) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema or {"type": "string"}}


def _header(name: str, description: str, schema: Json | None = None) -> Json:
    return {"name": name, "in": "header", "description": description, "schema": schema or {"type": "string"}}


_ENDPOINTS, _KEYS, _EVENTS, _DELIVERIES = "Endpoints", "Keys", "Events", "Deliveries"
_STORAGE, _APP = "Storage", "App"
_SUBSCRIPTIONS = "Subscriptions"
_ENDPOINT = Answer("The endpoint", views.Endpoint)
_SUBSCRIBED = Answer("Subscribed; `Location` takes `DELETE` to unsubscribe", views.Subscription, ("Location",))
_TYPES_QUERY = (
    _query("types", "The types, separated by commas, where the body names none"),
    _query("eventType", "As `types`"),
)
_ACCEPTED_TIME = "Accepted {} this time; without a zone it is UTC"

OPERATIONS: dict[str, Operation] = {
    "endpoint_register": Operation(
        _ENDPOINTS,
        "Register a URL, or change its registration",
        {
            200: Answer(
                "Registered: `null`, or with `Prefer: return=representation` the endpoint",
                views.Endpoint,
                ("Location", "Preference-Applied"),
                or_null=True,
            )
        },
        "The URL is the identity: the same URL again changes what is given and keeps the rest. `types` is required at "
        "first. A holder of Point.Subscribe alone gets 409 for a URL that another caller registered.",
        (_header("Prefer", "`return=representation` answers the endpoint instead of `null`"),),
        Registration,
        refusals=(409,),
    ),
    "endpoint_list": Operation(
        _ENDPOINTS, "List the endpoints", {200: Answer("In order of registration", list[views.Endpoint])}
    ),
    "endpoint_delete_by_url": Operation(
        _ENDPOINTS,
        "Delete an endpoint by its URL",
        {204: Answer("Deleted")},
        "As Syskit Point does: the URL in the body or in the query. The 404 also carries Syskit's members.",
        (_query("endpoint", "The URL, where there is no body"),),
        UrlOnly,
        needs_body=False,
        refusals=(404,),
    ),
    "endpoint_get": Operation(_ENDPOINTS, "Read an endpoint", {200: _ENDPOINT}),
    "endpoint_change": Operation(
        _ENDPOINTS,
        "Change an endpoint",
        {200: _ENDPOINT},
        "A JSON merge patch (RFC 7396): `null` brings a field back to its default (`types` has none).",
        body=EndpointChanges,
    ),
    "endpoint_delete": Operation(_ENDPOINTS, "Delete an endpoint", {204: Answer("Deleted")}),
    "endpoint_test": Operation(
        _ENDPOINTS,
        "Send a test event now",
        {200: Answer("The attempt, whatever came of it", views.Attempt)},
        "Sends the catalogue's sample of `type`; without it, of the first type that the endpoint asks for.",
        body=TestRequest,
        needs_body=False,
    ),
    "endpoint_secret": Operation(_KEYS, "Read an endpoint's secret", {200: Answer("The secret", views.Secret)}),
    "endpoint_secret_rotate": Operation(
        _KEYS,
        "Replace an endpoint's secret",
        {200: Answer("The new secret", views.RotatedSecret)},
        "The old one goes on signing beside it for 24 hours.",
    ),
    "subscription_create": Operation(
        _SUBSCRIPTIONS,
        "Subscribe a callback URL",
        {201: _SUBSCRIBED},
        "An endpoint in the words of automation tools. The body may be the bare URL. Without types a new URL gets "
        "every type but `webhook.*`; of a known one what is given is changed.",
        _TYPES_QUERY,
        SubscriptionRequest,
        or_text=True,
        refusals=(409,),
    ),
    "subscription_create_of_family": Operation(
        _SUBSCRIPTIONS,
        "Subscribe a callback URL to a family of types",
        {201: _SUBSCRIBED},
        body=FamilySubscriptionRequest,
        refusals=(409,),
    ),
    "subscription_put": Operation(
        _SUBSCRIPTIONS,
        "Make a callback URL the one of a key",
        {201: _SUBSCRIBED, 200: Answer("It has taken the place of the one before", views.Subscription, ("Location",))},
        "The key is the caller's own. Another URL takes the place of the one before, which is deleted; what is not "
        "said has its default. Repeating the call changes nothing.",
        _TYPES_QUERY,
        SubscriptionRequest,
        or_text=True,
        finds=False,
        refusals=(409,),
    ),
    "subscription_get": Operation(
        _SUBSCRIPTIONS, "Read a subscription", {200: Answer("The subscription", views.Subscription)}
    ),
    "subscription_delete": Operation(
        _SUBSCRIPTIONS,
        "Unsubscribe",
        {204: Answer("There is no such subscription, or no more")},
        finds=False,
        refusals=(400,),
    ),
    "options_get": Operation(_KEYS, "Read the signature key", {200: Answer("The keys", views.Options)}),
    "options_rotate": Operation(
        _KEYS,
        "Announce the next signature key",
        {200: Answer("The keys", views.Options)},
        "It signs from `activatesAt` on, 24 hours ahead unless the body says otherwise.",
        body=Rotation,
        needs_body=False,
    ),
    "type_list": Operation(
        _EVENTS,
        "Read the catalogue",
        {200: Answer("Every event type", views.Catalogue)},
        parameters=(_query("publishable", "`true`: only those that callers publish", {"enum": ["true", "false"]}),),
    ),
    "type_schema": Operation(
        _EVENTS,
        "Read what arrives for a type",
        {200: Answer("Of the type, the types of a prefix, or any", views.TypeSchema)},
        "For flow designers, which read no more than plain JSON Schema.",
    ),
    "event_publish": Operation(
        _EVENTS,
        "Publish an event, or an array of events",
        {
            202: Answer(
                "Stored, and every message is on the queue; an array answers an array in the same order",
                views.Accepted | list[views.Accepted],
            )
        },
        "`content` is checked against the catalogue and sent on as received. Give `meta.idempotencyKey`: without it a "
        "repeated call is a new event. The same key with another type or content is 409. An event may have 256 KiB, "
        "a body 1 MiB.",
        (_header("traceparent", "W3C Trace Context, carried on to every attempt; one that cannot be read is ignored"),),
        EventBody | EventBatch,
        refusals=(409,),
    ),
    "event_get": Operation(
        _EVENTS, "Look an event up", {200: Answer("The event and how its deliveries stand", views.Event)}
    ),
    "event_erase": Operation(_EVENTS, "Erase what an event said", {204: Answer("Erased")}),
    "delivery_list": Operation(
        _DELIVERIES,
        "Read an endpoint's delivery log, or the alert log",
        {200: Answer("A page, newest first", views.DeliveryPage)},
        "`endpoint` is required unless `status=failed`, which alone is the alert log across endpoints.",
        (
            _query("endpoint", "An endpoint's id, in any case", {"type": "string", "pattern": "^[A-Za-z2-7]{26}$"}),
            _query("status", "Only deliveries of this status", {"type": "string", "enum": [*get_args(Status)]}),
            _query("type", "Only deliveries of this event type, exactly"),
            _query("from", _ACCEPTED_TIME.format("at or after")),
            _query("to", _ACCEPTED_TIME.format("before")),
            _query(
                "top",
                "How many at most",
                {"type": "integer", "minimum": 1, "maximum": MOST_TOP, "default": DEFAULT_TOP},
            ),
            _query("continuation", "Of the previous page; keep the other parameters the same"),
        ),
    ),
    "delivery_get": Operation(
        _DELIVERIES,
        "Read a delivery with its attempts",
        {200: Answer("The delivery, or the line of the alert log", views.Delivery | views.MalformedMessage)},
    ),
    "delivery_retry": Operation(
        _DELIVERIES,
        "Try a delivery again",
        {202: Answer("On its way again, with a schedule of its own", views.Retried)},
        "409 where it is delivered or still on its way, and where its endpoint is deleted or disabled.",
        refusals=(409,),
    ),
    "endpoint_replay": Operation(
        _DELIVERIES,
        "Send what an endpoint's log holds again",
        {202: Answer("New deliveries of the same idempotency keys are on their way", views.Replayed)},
        "Events accepted since a time, newest first, at most 1,000 a call; pending ones are skipped.",
        (
            _header(
                "Idempotency-Key",
                "Makes a repeated call harmless",
                {"type": "string", "minLength": 1, "maxLength": 200},
            ),
        ),
        ReplayRequest,
        refusals=(409,),
    ),
    "storage_site_list": Operation(
        _STORAGE,
        "List the sites nearest their storage limit",
        {200: Answer("Nearest first, as the last scan saw them", ListedSites)},
        "Sites near or above a threshold; figures are those of Microsoft's report, which is about two days old.",
        (
            _query(
                "top",
                "How many at most",
                {"type": "integer", "minimum": 1, "maximum": MOST_LISTED, "default": DEFAULT_SITES},
            ),
            _query(
                "above",
                "Only sites that use so many percent of their quota or more",
                {"type": "number", "minimum": 0, "maximum": 1000},
            ),
        ),
    ),
    "storage_threshold_get": Operation(
        _STORAGE, "Read the storage thresholds", {200: Answer("The thresholds in force", ThresholdsBody)}
    ),
    "storage_threshold_put": Operation(
        _STORAGE,
        "Replace the storage thresholds",
        {200: Answer("The thresholds in force", ThresholdsBody)},
        "The body is the whole configuration. Of `sites` the first pattern that matches holds instead of `default`; an "
        "empty list leaves sites alone. The next scan goes by it.",
        body=ThresholdsBody,
    ),
    "health_get": Operation(
        _APP,
        "Ask whether the app reaches its storage",
        {200: Answer("Healthy", views.AppHealth), 503: Answer("Unhealthy", views.AppHealth)},
    ),
    "openapi_get": Operation(_APP, "Read this description", {200: Answer("OpenAPI 3.1", Json)}),
}
