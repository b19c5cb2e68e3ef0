"""The alert log, line by line and as a whole: acknowledging, and sending again all that matches."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from shared import logs
from shared.admin.alert_lines import MOST_LINES, Walked, acknowledge_lines, retry_lines
from shared.api.delivery_queries import possible_type
from shared.api.http.call import Request, Response
from shared.api.http.operation import Returns, Tag, operation, path
from shared.api.http.problem import bad_request, not_found
from shared.api.http.view import Count, View, example
from shared.model import ENDPOINT_ID, Model, read_time
from shared.storage.pages import Filters

_ABOUT = (
    f"A call looks at {MOST_LINES} lines of the alert log at most, newest first; go on while there is a "
    "`continuation`. With `dryRun` nothing is done, and `count` says for how many lines it would be."
)
_Time = Annotated[str, Field(max_length=40)]


class AlertFilter(Model):
    """Which lines; all of them where nothing is said. Times are of acceptance."""

    model_config = example({"type": "storage.threshold_exceeded", "from": "2026-11-21T00:00:00Z", "dryRun": True})

    endpoint: Annotated[str, Field(max_length=26, description="An endpoint's id")] | None = None
    type: Annotated[str, Field(max_length=128, description="An event type, exactly")] | None = None
    since: Annotated[_Time | None, Field(alias="from")] = None
    until: Annotated[_Time | None, Field(alias="to")] = None
    dry_run: Annotated[bool, Field(strict=True)] = False
    continuation: Annotated[str, Field(max_length=200)] | None = None


class Acknowledgement(Model):
    model_config = example({"acknowledged": True})

    acknowledged: Annotated[bool, Field(strict=True)]


class Acknowledged(View):
    model_config = example({"id": "01A2045420C0-FTZE3OS7WCRQ4JXIHMVMLOPCTY", "acknowledged": True})

    id: str
    acknowledged: bool


class Skipped(View):
    reason: str
    count: Count


class Done(View):
    model_config = example({"count": 198, "skipped": [{"reason": "It is still on its way", "count": 2}]})

    count: Count
    skipped: Annotated[list[Skipped], Field(description="Lines for which it could not be done")]
    continuation: Annotated[str, Field(description="For the next call; absent when all is done")] | None = None


@operation(
    "Send again what the alert log holds",
    tag=Tag.DELIVERIES,
    answers={
        200: Returns("What a dry run counted", Done),
        202: Returns("On their way again, each with a schedule of its own", Done),
    },
    description=f"{_ABOUT} Repeating a call is harmless: what is on its way already is skipped.",
    body=AlertFilter,
)
def retry_all(request: Request) -> Response:
    """Tries again the deliveries of the alert log that match."""
    body = request.model(AlertFilter)
    done = _walked(request, body, retry=True)
    if not body.dry_run:
        logs.audit(request.caller, "deliveries.retried", deliveries=done.count, endpointId=body.endpoint)
    return Response(200 if body.dry_run else 202, _shown(done).shown())


@operation(
    "Acknowledge what the alert log holds",
    tag=Tag.DELIVERIES,
    answers={200: Returns("Out of the alert log; with `dryRun`, what was counted", Done)},
    description=f"{_ABOUT} The deliveries stay in the delivery log, and can still be retried.",
    body=AlertFilter,
)
def acknowledge_all(request: Request) -> Response:
    """Takes the lines that match out of the alert log."""
    body = request.model(AlertFilter)
    done = _walked(request, body, retry=False)
    if not body.dry_run:
        logs.audit(request.caller, "deliveries.acknowledged", deliveries=done.count, endpointId=body.endpoint)
    return Response(200, _shown(done).shown())


@operation(
    "Acknowledge a line of the alert log",
    tag=Tag.DELIVERIES,
    answers={200: Returns("It is as asked", Acknowledged)},
    description="An acknowledged line leaves the alert log; the delivery stays in the delivery log. It comes back when "
    "another attempt of it has failed for good, or with `false`.",
    parameters=(path("id", "Of the delivery or the line, in any case", {"type": "string", "minLength": 1}),),
    body=Acknowledgement,
)
def acknowledge(request: Request) -> Response:
    """Takes one line out of the alert log, or back into it."""
    line_id = request.path("id").upper()
    wanted = request.model(Acknowledgement).acknowledged
    if not request.app.alerts.acknowledge(line_id, wanted):
        raise not_found(
            "The alert log has no line with this id: GET /v1.0/webhooks/deliveries?status=failed lists them"
        )
    logs.audit(request.caller, "delivery.acknowledged", deliveryId=line_id, acknowledged=wanted)
    return Response(200, Acknowledged(id=line_id, acknowledged=wanted).shown())


def _walked(request: Request, body: AlertFilter, retry: bool) -> Walked:
    endpoint = None if body.endpoint is None else body.endpoint.upper()
    if endpoint is not None and not ENDPOINT_ID.fullmatch(endpoint):
        raise bad_request("endpoint: must be an endpoint's id, 26 letters and digits, not its URL")
    event_type = possible_type(body.type, "type:")
    filters = Filters(type=event_type, since=_time("from", body.since), until=_time("to", body.until))
    walk = retry_lines if retry else acknowledge_lines
    try:
        return walk(request.app, filters, endpoint, body.continuation, body.dry_run)
    except ValueError:
        raise bad_request("continuation: must be one that an earlier call gave") from None


def _time(name: str, text: str | None) -> datetime | None:
    try:
        return None if text is None else read_time(text)
    except ValueError:
        raise bad_request(f"{name}: must be a time such as 2026-11-22T10:00:00Z") from None


def _shown(walked: Walked) -> Done:
    skipped = [Skipped(reason=reason, count=number) for reason, number in walked.skipped.most_common()]
    return Done(count=walked.count, skipped=skipped, continuation=walked.continuation)
