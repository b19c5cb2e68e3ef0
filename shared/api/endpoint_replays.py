"""`/v1.0/webhooks/endpoints/{id}/replay`: what an endpoint's log holds, sent again."""

from typing import Annotated, Literal

from pydantic import Field

from shared import logs
from shared.admin.replay import replay
from shared.api.endpoints import ID, named
from shared.api.http.call import Request, Response
from shared.api.http.operation import Returns, Tag, header, operation
from shared.api.http.problem import bad_request, conflict
from shared.api.http.view import Count, View, example
from shared.model import Model, read_time


class ReplayRequest(Model):
    model_config = example({"since": "2026-11-21T00:00:00Z", "status": "failed"})

    since: Annotated[str, Field(max_length=40)]
    status: Literal["delivered", "failed", "cancelled"] | None = None
    continuation: str | None = None
    dry_run: Annotated[bool, Field(strict=True)] = False


class Replayed(View):
    model_config = example({"count": 17})

    count: Count
    continuation: Annotated[str, Field(description="For the next call; absent when all is replayed")] | None = None


@operation(
    "Send what an endpoint's log holds again",
    tag=Tag.DELIVERIES,
    answers={
        200: Returns("How many it would be (`dryRun`)", Replayed),
        202: Returns("New deliveries of the same idempotency keys are on their way", Replayed),
    },
    description="Events accepted since a time, newest first, at most 1,000 a call; pending ones are skipped.",
    parameters=(
        ID,
        header(
            "Idempotency-Key", "Makes a repeated call harmless", {"type": "string", "minLength": 1, "maxLength": 200}
        ),
    ),
    body=ReplayRequest,
    refusals=(409,),
)
def replay_since(request: Request) -> Response:
    """Sends what the log holds again; an `Idempotency-Key` header makes a repeated call harmless."""
    endpoint = named(request)
    if not endpoint.receives:
        raise conflict('The endpoint is disabled: enable it first (PATCH {"enabled": true})')
    body = request.model(ReplayRequest)
    key = request.header("idempotency-key")
    if key is not None and not 1 <= len(key) <= 200:
        raise bad_request("Idempotency-Key: give 1 to 200 characters")
    try:
        since = read_time(body.since)
    except ValueError:
        raise bad_request("since: must be a time such as 2026-11-22T10:00:00Z") from None
    if since > request.app.now():
        raise bad_request("since: is in the future: give a time that is over; without a zone it is UTC")
    try:
        replayed = replay(request.app, endpoint, since, body.status, body.continuation, key, dry_run=body.dry_run)
    except ValueError:
        raise bad_request("continuation: must be one that an earlier call gave") from None
    if not body.dry_run:
        logs.audit(request.caller, "endpoint.replayed", endpointId=endpoint.id, deliveries=replayed.count)
    shown = Replayed(count=replayed.count, continuation=replayed.continuation).shown()
    return Response(200 if body.dry_run else 202, shown)
