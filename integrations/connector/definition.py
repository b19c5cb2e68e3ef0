"""The definition of the Power Platform connector: its triggers and actions, from the routes of the API."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from integrations.connector.fields import api_queries, api_query, body, dropdown, dynamic, path, query
from integrations.connector.schemas import schema_of
from shared import __version__
from shared.api import deliveries, delivery_views, flow_schemas, newest, provisioning_views, types
from shared.api.endpoint_bodies import Registration
from shared.api.endpoint_views import Endpoint
from shared.api.event_views import Accepted, EventList
from shared.api.events import EventBody
from shared.api.flow_schemas import title
from shared.api.http.operation import Handler
from shared.api.subscriptions import FamilySubscriptionRequest
from shared.model import Status
from shared.model.catalogue import FAMILIES

Json = dict[str, Any]
Answers = Mapping[int, str | tuple[str, type[BaseModel]]]
"""The answers by status: a description, or a description and the model of the body."""

FILE = Path(__file__).parents[1] / "power-platform" / "apiDefinition.swagger.json"
API = "/v1.0"
HOST = "tenant-hooks.azurewebsites.net"
"""Stands for the customer's own, which the connection names (policy `dynamichosturl`)."""

_TRIGGERS = {
    "provisioning": ("When a workspace is provisioned", "When provisioning has started, completed or failed."),
    "sharing": ("When sharing or access changes", "When something is shared, or access is granted or revoked."),
    "storage": ("When a site passes a storage threshold", "When a site's storage passes a threshold, up or down."),
}
_HINT = "To see it work now, publish an event, or have an admin send a test event to the endpoint."


def definition() -> Json:
    """OpenAPI 2.0 with the extensions of Power Platform."""
    login = "https://login.microsoftonline.com/common/oauth2/v2.0"
    return {
        "swagger": "2.0",
        "info": {
            "title": "Tenant Hooks",
            "description": "Events of Microsoft 365 governance: workspaces provisioned, things shared, sites that run "
            "out of storage. Starts flows when they occur, publishes events of your own, and looks after deliveries.",
            "version": __version__,
        },
        "host": HOST,
        "basePath": "/",
        "schemes": ["https"],
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "paths": {**_triggers(), **_events(), **_deliveries(), **_endpoints(), **_workspaces(), **_designer()},
        "securityDefinitions": {
            "entra": {
                "type": "oauth2",
                "flow": "accessCode",
                "authorizationUrl": f"{login}/authorize",
                "tokenUrl": f"{login}/token",
                "scopes": {},
            }
        },
        "security": [{"entra": []}],
    }


def _triggers() -> Json:
    of_the_chosen_type = {"type": "object", **dynamic("schema", "eventType", "eventType")}
    chosen = query("eventType", "The type of event that starts the flow", important=True, **dropdown())
    filters = body(FamilySubscriptionRequest)
    paths = {
        f"{API}/webhooks/subscriptions": _trigger(
            "OnEvent",
            "When an event occurs",
            "When an event of one type occurs.",
            [{**chosen, "required": True}, filters],
            of_the_chosen_type,
        )
    }
    for family, named in FAMILIES.items():
        summary, description = _TRIGGERS[family]
        notified = flow_schemas.of_notification(named)
        paths[f"{API}/webhooks/families/{family}/subscriptions"] = _trigger(
            f"On{title(family)}", summary, description, [filters], notified
        )
    unsubscribe = _operation("Unsubscribe", "Unsubscribe", "Ends a subscription.", [path("key")], {204: "Ended"})
    paths[f"{API}/webhooks/subscriptions/{{key}}"] = {"delete": {**unsubscribe, "x-ms-visibility": "internal"}}
    return paths


def _events() -> Json:
    listing = _list_parameters(newest.list_events, "continuation", "top")
    return {
        f"{API}/events": {
            "post": _operation(
                "PublishEvent",
                "Publish an event",
                "Sends an event to every endpoint that asks for it.",
                [body(EventBody, **_publishing())],
                _accepted("Accepted", Accepted),
            ),
            "get": _operation(
                "ListNewestEvents",
                "List the newest events",
                "Reads what was accepted in the last day, or between two times of the last 7 days, newest first.",
                [*listing.values()],
                {200: ("A page", EventList)},
            ),
        },
    }


def _deliveries() -> Json:
    log = _list_parameters(deliveries.list_some, "endpoint", "continuation", "top")
    log["status"] |= {"required": True, "default": "failed", "enum": ["failed"], "x-ms-visibility": "internal"}
    listing = _list_parameters(newest.list_deliveries, "endpoint", "continuation", "top")
    listing["status"] |= {"enum": [*get_args(Status)]}
    return {
        f"{API}/webhooks/deliveries": {
            "get": _operation(
                "ListFailedDeliveries",
                "List failed deliveries",
                "Reads the alert log, newest first: deliveries whose last scheduled attempt failed.",
                [*log.values()],
                {200: ("A page", delivery_views.DeliveryPage)},
            )
        },
        f"{API}/webhooks/newest-deliveries": {
            "get": _operation(
                "ListNewestDeliveries",
                "List the newest deliveries",
                "Reads what was sent to all endpoints in the last day, or between two times of the last 7 days, newest "
                "first, each as it stands now.",
                [*listing.values()],
                {200: ("A page", delivery_views.NewestDeliveries)},
            )
        },
        f"{API}/webhooks/deliveries/{{id}}/retry": {
            "post": _operation(
                "RetryDelivery",
                "Retry a delivery",
                "Sends a failed or cancelled delivery again, with a schedule of its own.",
                [path("id", "The delivery's id, as the lists of deliveries have it")],
                _accepted("On its way", delivery_views.Retried),
            )
        },
    }


def _endpoints() -> Json:
    prefer = {"name": "Prefer", "in": "header", "required": True, "type": "string", "default": "return=representation"}
    prefer |= {"x-ms-summary": "Prefer", "x-ms-visibility": "internal", "description": "Answers the endpoint"}
    return {
        f"{API}/webhooks/endpoints": {
            "post": _operation(
                "RegisterEndpoint",
                "Register an endpoint",
                "Registers a URL to receive events, or changes its registration.",
                [prefer, body(Registration, types={"x-ms-visibility": "important"})],
                {200: ("The endpoint", Endpoint)},
            )
        },
        f"{API}/webhooks/endpoints/{{id}}": {
            "delete": _operation(
                "RemoveEndpoint",
                "Remove an endpoint",
                "Deletes an endpoint; deliveries that wait for it are cancelled.",
                [path("id", "The endpoint's id")],
                {204: "Removed"},
            )
        },
    }


def _workspaces() -> Json:
    key = {"name": "Idempotency-Key", "in": "header", "required": False, "type": "string"}
    key |= {
        "x-ms-summary": "Idempotency Key",
        "x-ms-visibility": "important",
        "description": "The same key again is the same request: the ticket's number, so that no retry makes another",
    }
    said: Json = {each: {"x-ms-visibility": "important"} for each in ("owners", "members", "metadata")}
    said["displayName"] = {"description": "Of the workspace; the template's prefix and suffix go around it"}
    asking = [key, body(provisioning_views.WorkspaceBody, **said)]
    asked = _accepted("Accepted: events tell how it ends", provisioning_views.AcceptedRequest)
    paths: Json = {
        f"{API}/provision/{kind}": {
            "post": _operation(
                f"Provision{operation}",
                f"Provision a {noun}",
                f"Has a {noun} made, by a template. Its events start flows.",
                asking,
                asked,
            )
        }
        for kind, operation, noun in (
            ("teams", "Team", "team"),
            ("groups", "Group", "group"),
            ("sites", "Site", "site"),
        )
    }
    paths[f"{API}/provision/requests/{{id}}"] = {
        "get": _operation(
            "GetWorkspaceRequest",
            "Get a request for a workspace",
            "Reads what became of it: the address, or the error.",
            [path("id", "The request's id, as the action that made it gave it")],
            {200: ("The request", provisioning_views.Request)},
        )
    }
    return paths


def _designer() -> Json:
    """What fills lists and forms; no maker sees these operations."""
    listed = _operation(
        "ListEventTypes",
        "List event types",
        "The catalogue.",
        [api_query(types.list_all, "publishable")],
        {200: ("Every event type", types.Catalogue)},
    )
    schema = _operation(
        "GetEventSchema",
        "Get an event type's schema",
        "What arrives for a type.",
        [path("type", "The event type")],
        {200: ("The schemas", types.TypeSchema)},
    )
    return {
        f"{API}/webhooks/types": {"get": {**listed, "x-ms-visibility": "internal"}},
        f"{API}/webhooks/types/{{type}}/schema": {"get": {**schema, "x-ms-visibility": "internal"}},
    }


def _trigger(name: str, summary: str, description: str, parameters: list[Json], notified: Json) -> Json:
    subscribed = {201: "Subscribed; the header Location takes DELETE to unsubscribe"}
    subscribe = _operation(name, summary, description, parameters, subscribed)
    return {
        "x-ms-notification-content": {"description": "The event", "schema": notified},
        "post": {**subscribe, "x-ms-trigger": "single", "x-ms-trigger-hint": _HINT},
    }


def _accepted(description: str, model: type[BaseModel]) -> Answers:
    """Of an operation that answers 202: designers offer outputs of 200 and 201 alone, and one schema is allowed."""
    return {200: (description, model), 202: description}


def _operation(name: str, summary: str, description: str, parameters: list[Json], answers: Answers) -> Json:
    responses: Json = {}
    for status, answer in answers.items():
        text, model = (answer, None) if isinstance(answer, str) else answer
        responses[str(status)] = {"description": text} | ({"schema": schema_of(model)} if model else {})
    responses["default"] = {"description": "Refused: `detail` says what to change"}  # a schema here is not allowed
    return {
        "operationId": name,
        "summary": summary,
        "description": description,
        "parameters": parameters,
        "responses": responses,
    }


def _list_parameters(handler: Handler, *advanced: str) -> dict[str, Json]:
    """The queries of one of the API's lists by name. An event type is chosen from the catalogue, or typed in."""
    parameters = api_queries(handler)
    if "type" in parameters:
        parameters["type"] |= dropdown()
    for name in advanced:
        parameters[name]["x-ms-visibility"] = "advanced"
    return parameters


def _publishing() -> dict[str, Json]:
    """The catalogue's types to choose from, and a form for the content of the chosen one."""
    return {
        "type": dropdown(publishable="true"),
        "content": dynamic("contentSchema", "type", "body/type"),
        "meta": {"x-ms-visibility": "important"},
    }


def text() -> str:
    return json.dumps(definition(), ensure_ascii=False, indent=2) + "\n"
