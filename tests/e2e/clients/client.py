"""What a person writes with a client that was generated from /openapi.json."""

import json
import os
import sys
from typing import Any

from generated import AuthenticatedClient  # type: ignore[import-not-found]
from generated.api.deliveries import delivery_list  # type: ignore[import-not-found]
from generated.api.endpoints import endpoint_get, endpoint_register  # type: ignore[import-not-found]
from generated.api.events import event_publish  # type: ignore[import-not-found]
from generated.models import (  # type: ignore[import-not-found]
    Auth,
    AuthType,
    Delivery,
    EventBody,
    FreeObject,
    HeaderValues,
    MetaBody,
    Problem,
    Registration,
    Severity,
    WireFormat,
)

Found = dict[str, Any]


def publish(client: AuthenticatedClient) -> Found:
    registration = Registration(
        endpoint=os.environ["RECEIVER"],
        types=["custom.*"],
        min_severity=None,
        format_=WireFormat.POINT,
        settings=None,
        auth=Auth(type_=AuthType.HEADERS, headers=HeaderValues.from_dict({"X-Api-Key": "k"})),
    )
    endpoint = endpoint_register.sync(client=client, body=registration, prefer="return=representation")
    events = [
        EventBody(
            type_="custom.generated",
            content=FreeObject.from_dict({"number": number}),
            meta=MetaBody(idempotency_key=f"{os.environ['KEY']}-{number}"),
            severity=Severity.HIGH,
        )
        for number in (1, 2, 3)
    ]
    accepted = event_publish.sync(client=client, body=events)
    return {
        "endpoint": endpoint.id,
        "state": endpoint.health.state,
        "accepted": [[each.idempotency_key, each.deliveries, each.duplicate] for each in accepted],
    }


def list_all(client: AuthenticatedClient, endpoint: str) -> Found:
    listed: list[str] = []
    pages = 0
    more: dict[str, str] = {}
    while True:
        page = delivery_list.sync(client=client, endpoint=endpoint, top=2, **more)
        listed += [line.idempotency_key if isinstance(line, Delivery) else line.message for line in page.value]
        pages += 1
        if not page.continuation:
            break
        more = {"continuation": page.continuation}

    problem = endpoint_get.sync(client=client, id="A" * 26)
    assert isinstance(problem, Problem)
    return {"listed": listed, "pages": pages, "problem": [problem.status, problem.type_, problem.detail]}


with AuthenticatedClient(base_url=os.environ["BASE"], token=os.environ["TOKEN"]) as client:
    what, *given = sys.argv[1:]
    print(json.dumps(publish(client) if what == "publish" else list_all(client, *given)))
