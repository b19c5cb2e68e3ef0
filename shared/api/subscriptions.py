"""`/v1.0/webhooks/subscriptions`: a second door to the endpoints, shaped for Power Automate and Logic Apps.

A Power Platform trigger unsubscribes by `DELETE` on the `Location` that its subscription got. A Logic App cannot: it
names its subscription by a key of its own, and subscribes anew, with another callback URL, each time it is saved.
"""

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field

from shared.admin import subscriptions as by_key
from shared.admin.changes import Changes, Whole
from shared.admin.mistakes import likely_mistakes
from shared.admin.registration import Registration
from shared.api import endpoint_views as views
from shared.api.endpoint_bodies import EndpointFields, Ordered, Pattern, PerSecond, RetryDelays, Sites, TypeName
from shared.api.endpoint_views import EXAMPLE_CALLBACK
from shared.api.endpoints import audit, check_url, may_see, registration_problem, store
from shared.api.http.call import Request, Response, validated
from shared.api.http.operation import Returns, Tag, operation, path, query
from shared.api.http.problem import bad_request, not_found
from shared.api.http.view import Severity, example
from shared.model import ENDPOINT_ID, Endpoint, Model
from shared.model.catalogue import FAMILIES
from shared.outbound.addresses import Unresolved
from shared.storage.rows import Rejected

PATH = "/v1.0/webhooks/subscriptions"
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:-]{0,127}")
EVERY_TYPE = ("*",)
_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?")
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}

_BY_KEY = path(
    "key",
    "The key that the caller chose, or the subscription's id",
    {"type": "string", "pattern": f"^{KEY.pattern}$"},
)
_TYPES = (
    query("types", "The types, separated by commas, where the body names none"),
    query("eventType", "As `types`"),
)
_SUBSCRIBED = Returns("Subscribed; `Location` takes `DELETE` to unsubscribe", views.Subscription, ("Location",))

CallbackUrl = Annotated[str, Field(description="Where events are to be sent")]


class SubscriptionRequest(EndpointFields):
    """An endpoint in the words of automation tools: `types` or one `eventType`, by default every type."""

    model_config = example({"callbackUrl": EXAMPLE_CALLBACK, "types": ["ProvisioningFailed"]})

    callback_url: CallbackUrl
    event_type: TypeName | None = None


class FamilySubscriptionRequest(Model):
    """A subscription to all types of a family."""

    model_config = example({"callbackUrl": EXAMPLE_CALLBACK, "minSeverity": "high"})

    callback_url: CallbackUrl
    name: Annotated[str, Field(max_length=200)] | None = None
    min_severity: Severity | None = None
    tenants: Annotated[tuple[Pattern, ...], Field(max_length=100)] | None = None
    sites: Sites | None = None
    retry_delays: RetryDelays | None = None
    max_per_second: PerSecond | None = None
    ordered: Ordered | None = None


@operation(
    "Subscribe a callback URL",
    tag=Tag.SUBSCRIPTIONS,
    answers={201: _SUBSCRIBED},
    description="An endpoint in the words of automation tools. The body may be the bare URL. Without types a new URL "
    "gets every type but `webhook.*`; of a known one what is given is changed.",
    parameters=_TYPES,
    body=SubscriptionRequest,
    or_text=True,
    refusals=(409,),
)
def create(request: Request) -> Response:
    """Subscribes a URL; one that is registered already is changed, as the endpoint routes do."""
    return _created(request, *_said(request))


@operation(
    "Subscribe a callback URL to a family of types",
    tag=Tag.SUBSCRIPTIONS,
    answers={201: _SUBSCRIBED},
    parameters=(path("family", "The family", {"type": "string", "enum": [*FAMILIES]}),),
    body=FamilySubscriptionRequest,
    refusals=(409,),
)
def create_of_family(request: Request) -> Response:
    """Subscribes a URL to a family of types."""
    types = FAMILIES.get(request.path("family").lower())
    if types is None:
        raise not_found(f"There is no such family of event types: take one of {', '.join(FAMILIES)}")
    body = request.model(FamilySubscriptionRequest)
    said = body.model_dump(exclude={"callback_url"}, exclude_none=True)
    return _created(request, body.callback_url, EndpointFields(types=types, **said))


@operation(
    "Make a callback URL the one of a key",
    tag=Tag.SUBSCRIPTIONS,
    answers={
        201: _SUBSCRIBED,
        200: Returns("It has taken the place of the one before", views.Subscription, ("Location",)),
    },
    description="The key is the caller's own. Another URL takes the place of the one before, which is deleted; what is "
    "not said has its default. Repeating the call changes nothing.",
    parameters=(_BY_KEY, *_TYPES),
    body=SubscriptionRequest,
    or_text=True,
    finds=False,
    refusals=(409,),
)
def put(request: Request) -> Response:
    """Makes a URL the one that a key of the caller's stands for, with what is said here and nothing from before."""
    key = request.path("key")
    if not KEY.fullmatch(key) or _is_id(key):
        raise _no_key()
    location = f"{base_url(request)}{PATH}/{key}"
    url, said = _said(request)
    unresolved = check_url(request, "callbackUrl", url)
    given: dict[str, Any] = {
        **{name: Endpoint.model_fields[name].get_default() for name in EndpointFields.model_fields if name != "types"},
        "types": EVERY_TYPE,
        **said.given(),
    }
    done = by_key.subscribe(
        request.app,
        request.caller.object_id,
        key,
        url,
        Changes(given, _settings(said)),
        by_admin=request.caller.is_admin,
    )
    if isinstance(done, Rejected):
        raise registration_problem(done)
    audit(request, "endpoint.registered" if done.new else "endpoint.changed", done.endpoint.id)
    for dropped in done.dropped:
        audit(request, "endpoint.deleted", dropped)
    return _shown(201 if done.new else 200, done.endpoint, location, unresolved)


@operation(
    "Read a subscription",
    tag=Tag.SUBSCRIPTIONS,
    answers={200: Returns("The subscription", views.Subscription)},
    parameters=(_BY_KEY,),
)
def get(request: Request) -> Response:
    endpoint = _found(request)
    if endpoint is None:
        raise not_found("You have no subscription by this id or key")
    return Response(200, views.subscription_view(endpoint).shown())


@operation(
    "Unsubscribe",
    tag=Tag.SUBSCRIPTIONS,
    answers={204: Returns("There is no such subscription, or no more")},
    parameters=(_BY_KEY,),
    finds=False,
    refusals=(400,),
)
def delete(request: Request) -> Response:
    """Ends a subscription. 204 also where there is none, since then it is as the caller wants it, and a platform that
    unsubscribes after an admin's deletion has nothing to try again."""
    key = request.path("key")
    if not KEY.fullmatch(key):
        raise _no_key()
    gone: tuple[str, ...]
    if _is_id(key):
        endpoint = _found(request)
        kept = endpoint is None or (endpoint.disabled_by_admin and not request.caller.is_admin)
        gone = (endpoint.id,) if endpoint and not kept and request.app.endpoints.delete(endpoint.id) else ()
    else:
        gone = by_key.unsubscribe(request.app.endpoints, request.caller.object_id, key)
    for endpoint_id in gone:
        audit(request, "endpoint.deleted", endpoint_id)
    return Response(204)


def _said(request: Request) -> tuple[str, EndpointFields]:
    """The URL, and what else is said of it: as an object, or as the bare URL with the types in the query."""
    text = request.plain_text()
    value = text.strip() if text is not None else request.json()[0]
    body = validated(SubscriptionRequest, {"callbackUrl": value} if isinstance(value, str) else value)
    query = [name for name in ("types", "eventType") if request.query(name) is not None]
    named = [name for name in ("types", "event_type") if getattr(body, name) is not None]
    if len(query) + len(named) > 1:
        raise bad_request("types: name the types once, as types or eventType, in the body or in the query")
    types: list[str] | None = [body.event_type] if body.event_type is not None else None
    for name in query:
        types = [part.strip() for part in (request.query(name) or "").split(",")]
    checked = body.types if types is None else validated(EndpointFields, {"types": types}).types
    return body.callback_url, body.model_copy(update={"types": checked})


def _created(request: Request, url: str, said: EndpointFields) -> Response:
    base = f"{base_url(request)}{PATH}"
    unresolved = check_url(request, "callbackUrl", url)
    changes = Changes(said.given(), _settings(said))
    endpoint = store(request, Registration(url, changes, if_new={"types": EVERY_TYPE}))
    return _shown(201, endpoint, f"{base}/{endpoint.id}", unresolved)


def _settings(said: EndpointFields) -> Whole | None:
    return None if said.settings is None else Whole(said.settings)


def _shown(status: int, endpoint: Endpoint, location: str, unresolved: Unresolved | None) -> Response:
    shown = views.subscription_view(endpoint, likely_mistakes(endpoint, unresolved)).shown()
    return Response(status, shown, headers={"Location": location})


def base_url(request: Request) -> str:
    """The address under which this API was called, for a `Location` that the caller may use as it is.

    PUBLIC_URL where it is set. Otherwise the host of the request as the Functions host gives it: Azure's front end
    brings a request here only by a host name that is bound to the app. No forwarding header is read, and nothing but
    this caller's own answer is made of it. TLS ends before the worker, so the scheme is https but on this machine.
    """
    if request.app.settings.public_url:
        return request.app.settings.public_url
    url = urlsplit(str(request.raw.url))
    if not _HOST.fullmatch(url.netloc):
        raise bad_request("Host: must be the name of this app")
    return f"{url.scheme if url.hostname in _THIS_MACHINE else 'https'}://{url.netloc}"


def _found(request: Request) -> Endpoint | None:
    """By id, any endpoint that the caller may see. By key, only the caller's own, since two callers may use one key."""
    key = request.path("key")
    if not _is_id(key):
        return by_key.subscribed(request.app.endpoints, request.caller.object_id, key)
    endpoint = request.app.endpoints.read(key.upper())
    return endpoint if endpoint is not None and may_see(request, endpoint) else None


def _is_id(key: str) -> bool:
    return ENDPOINT_ID.fullmatch(key.upper()) is not None


def _no_key() -> Exception:
    return bad_request(
        "The key in the path must be 1 to 128 letters, digits and . _ ~ : -, must begin with a letter or a digit, "
        "and must not look like an endpoint's id (26 letters and digits 2 to 7): choose another one"
    )
