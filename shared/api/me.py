"""`/v1.0/me`: who calls, with which roles, and what there is to know of the deployment."""

from typing import Annotated

from pydantic import Field

from shared import __version__, model
from shared.api.http.auth import Role
from shared.api.http.call import Request, Response
from shared.api.http.operation import Returns, Tag, operation
from shared.api.http.view import Component, Count, Time, View, example


class Me(View):
    model_config = example(
        {
            "objectId": "2f4b6c0e-4d53-4a51-9a2c-0d5b8f6a7c10",
            "application": "3b735b14-de6f-4cf8-adc6-da7eaccbdc31",
            "roles": ["Point.Admin"],
            "version": __version__,
            "tenant": {"id": "contoso", "displayName": "Contoso"},
            "schedule": [30, 120, 600],
            "retentionDays": 30,
            "dedupeHours": 24,
            "now": "2026-11-22T10:00:00.000Z",
        }
    )

    object_id: Annotated[str, Field(description="The caller's directory object; empty where the token names none")]
    application: Annotated[str, Field(description="The application through which it calls")]
    roles: list[Annotated[Role, Component("AppRole")]]
    version: Annotated[str, Field(description="Of the deployment")]
    tenant: Annotated[model.Tenant, Field(description="That the deployment belongs to")] | None = None
    schedule: Annotated[list[float], Field(description="Seconds between attempts, unless an endpoint says otherwise")]
    retention_days: Count
    dedupe_hours: Count
    now: Annotated[Time, Field(description="The deployment's clock")]


@operation("Read who is calling", tag=Tag.APP, answers={200: Returns("The caller and the deployment", Me)})
def get(request: Request) -> Response:
    settings, caller = request.app.settings, request.caller
    me = Me(
        object_id=caller.object_id,
        application=caller.application,
        roles=list(caller.roles),
        version=__version__,
        tenant=settings.own_tenant,
        schedule=[delay.total_seconds() for delay in settings.retry_delays],
        retention_days=settings.retention.days,
        dedupe_hours=round(settings.dedupe.total_seconds() / 3600),
        now=request.app.now(),
    )
    return Response(200, me.shown())
