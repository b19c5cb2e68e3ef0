"""`/v1.0/overview`: how everything stands, for whoever looks after it."""

from typing import Annotated

from pydantic import Field

from shared.admin.overview import MOST_ALERTS, Overview, overview
from shared.api.endpoint_views import EXAMPLE_ID, EndpointState, WireFormat, endpoint_view
from shared.api.http.call import Request, Response
from shared.api.http.operation import Returns, Tag, operation, query
from shared.api.http.view import Count, Time, View, example
from shared.api.warnings import warnings_of
from shared.model import Endpoint
from shared.storage.counts import Hour, Outcome

DEFAULT_HOURS, MOST_HOURS = 24, 168

_COUNTED = {"delivered": 240, "failedAttempts": 3, "exhausted": 1, "cancelled": 0}


class Outcomes(View):
    """How many deliveries were delivered, attempts failed, deliveries exhausted, and cancelled."""

    delivered: Count
    failed_attempts: Count
    exhausted: Count
    cancelled: Count


class HourView(Outcomes):
    start: Time
    accepted: Annotated[Count, Field(description="Events")]


class QueueView(View):
    name: str
    length: Annotated[Count, Field(description="Messages, those that wait for their time too; about")]
    oldest_seconds: Annotated[Count, Field(description="For how long the first in line has been due")]


class EndpointLine(Outcomes):
    """An endpoint without its URL."""

    id: str
    name: str | None = None
    host: str
    format: WireFormat
    state: EndpointState
    first_failure_at: Time | None = None
    last_error: str | None = None
    disabled_reason: str | None = None


class AlertCount(View):
    count: Annotated[Count, Field(description=f"Lines of the alert log, at most {MOST_ALERTS}")]
    more: Annotated[bool, Field(description="There are more")]


class ScanView(View):
    last_success_at: Time | None = None
    last_failure_at: Time | None = None
    report_date: str | None = None
    names_concealed: bool


class OverviewView(View):
    model_config = example(
        {
            "hours": [{"start": "2026-11-22T10:00:00.000Z", "accepted": 240, **_COUNTED}],
            "queues": [{"name": "deliveries", "length": 2, "oldestSeconds": 0}],
            "endpoints": [
                {
                    "id": EXAMPLE_ID,
                    "host": "contoso.azurewebsites.net",
                    "format": "point",
                    "state": "failing",
                    **_COUNTED,
                }
            ],
            "alerts": {"count": 1, "more": False},
            "scan": {"lastSuccessAt": "2026-11-22T06:20:11.094Z", "reportDate": "2026-11-20", "namesConcealed": False},
        }
    )

    hours: Annotated[list[HourView], Field(description="The oldest first")]
    queues: list[QueueView]
    endpoints: Annotated[list[EndpointLine], Field(description="In order of registration, counted over these hours")]
    alerts: AlertCount
    scan: ScanView
    warnings: Annotated[list[str], Field(description="As `/health` has them")] | None = None


@operation(
    "Read how everything stands",
    tag=Tag.APP,
    answers={200: Returns("Counts by hour, queues, endpoints, alerts", OverviewView)},
    description="Counts are up to some seconds old, and miss what a process that was killed had not written.",
    parameters=(
        query(
            "hours",
            "Of how many hours, this one included",
            {"type": "integer", "format": "int32", "minimum": 1, "maximum": MOST_HOURS, "default": DEFAULT_HOURS},
        ),
    ),
)
def get(request: Request) -> Response:
    found = overview(request.app, request.number("hours", DEFAULT_HOURS, 1, MOST_HOURS))
    shown = OverviewView(
        hours=[
            HourView(start=start, accepted=hour.accepted, **_outcomes(*(hour.endpoints.values())))
            for start, hour in found.hours
        ],
        queues=[QueueView(name=q.queue, length=q.length, oldest_seconds=q.oldest_seconds) for q in found.queues],
        endpoints=_lines(found),
        alerts=AlertCount(count=min(found.alerts, MOST_ALERTS), more=found.alerts > MOST_ALERTS),
        scan=ScanView(
            last_success_at=found.scan.last_success_at,
            last_failure_at=found.scan.last_failure_at,
            report_date=None if found.scan.report_date is None else str(found.scan.report_date),
            names_concealed=found.scan.names_concealed,
        ),
        warnings=warnings_of(request.app, {"scans": found.scan}) or None,
    )
    return Response(200, shown.shown())


def _lines(found: Overview) -> list[EndpointLine]:
    return [_line(endpoint, [hour for _, hour in found.hours]) for endpoint in found.endpoints]


def _line(endpoint: Endpoint, hours: list[Hour]) -> EndpointLine:
    health = endpoint_view(endpoint).health
    return EndpointLine(
        id=endpoint.id,
        name=endpoint.name,
        host=endpoint.host,
        format=endpoint.format,
        state=health.state,
        first_failure_at=health.first_failure_at,
        last_error=health.last_error,
        disabled_reason=health.disabled_reason,
        **_outcomes(*(hour.endpoints[endpoint.id] for hour in hours if endpoint.id in hour.endpoints)),
    )


def _outcomes(*counted: dict[Outcome, int]) -> dict[str, int]:
    def total(outcome: Outcome) -> int:
        return sum(each.get(outcome, 0) for each in counted)

    return {
        "delivered": total("delivered"),
        "failed_attempts": total("failedAttempts"),
        "exhausted": total("exhausted"),
        "cancelled": total("cancelled"),
    }
