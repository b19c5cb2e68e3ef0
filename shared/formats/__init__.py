"""Wire formats: how an event becomes a body.

A format is one module here and one line in `FORMATS`. The module has

- `body(event) -> (content type, bytes)`; or, where an endpoint must say more, such as a project or a board,
  `body(event, settings)` beside `class Settings(Model)`: the endpoint's `settings` of that format, camelCase in JSON.
  They are checked at registration and again before each POST, strictly (no "3" for 3); an endpoint that says nothing
  has those of `{}`. A field that is a secret is a `SecretStr`: answers leave it out. `settings` are encrypted in
  storage all the same.
- optionally `problems(settings, types) -> list[str]`: what a model cannot see, each a clause that names the field
  (`document: …`), found at registration; `types` are those that the endpoint asks for, patterns among them.
- optionally `needs_auth(settings) -> bool`: whether its receivers let nobody in who does not say who it is.
- optionally `mistakes(url, auth) -> list[str]`: what is probably wrong with a receiver's URL and authentication, each
  a clause that names the field; whoever registers is told, and the registration stands.
- optionally `consent(settings, host_name) -> str | None`: the origin for which the receiver is asked, at
  registration, whether it wants these requests (CloudEvents, "Abuse Protection"); None where it is not asked.
- optionally `join(events, settings) -> (content type, bytes)`, where the receiver takes several events in one request,
  at most `most_bytes` in all: those that wait for their turn go together then. Of one event it is what `body` makes of
  it, several stand in the order in which they were accepted, and each with its key: a request of several has a
  `webhook-id` of its own.
- optionally, beside it, `digest_every(settings) -> timedelta | None`: first attempts wait for the next multiple of that
  period, and what has come until then goes together; None where this endpoint wants each event at once, by itself.

`body` and `join` are pure: no clock, network or environment. They take every event of the catalogue and any `custom.*`
one, and raise `Unsendable` (shared/model/delivery.py) where one cannot be said in this format: its delivery then fails
with that reason, and nothing is sent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.formats import (
    autotask,
    cloudevents,
    connectwise,
    email,
    jira,
    pagerduty,
    point,
    sentinel,
    servicenow,
    slack,
    splunk_hec,
    spscan,
    teams,
    template,
)
from shared.model import Auth, Event, Model

Body = tuple[str, bytes]
"""Content type and body."""


@dataclass(frozen=True)
class Format:
    """What a wire format's module offers; title and description are for people who choose one."""

    body: Callable[..., Body]
    settings: type[Model] | None = None
    problems: Callable[[Any, Sequence[str]], list[str]] | None = None
    consent: Callable[[Any, str], str | None] | None = None
    needs_auth: Callable[[Any], bool] | None = None
    mistakes: Callable[[str, Auth | None], list[str]] | None = None
    join: Callable[[Sequence[Event], Any], Body] | None = None
    most_bytes: int = 2**20
    digest_every: Callable[[Any], timedelta | None] | None = None
    max_per_second: float | None = None
    """How many deliveries an endpoint is sent in a second at most where it does not say: what its receivers take."""
    point_signature: bool = False
    """Whether a delivery carries `Signature` too, by the key that all receivers share. So only where the publisher and
    the app alone decide the bytes: whoever else could choose them would have words of their own signed for others."""
    title: str = ""
    description: str = ""


def _always(settings: Any) -> bool:
    return True


FORMATS: dict[str, Format] = {
    "point": Format(
        point.body,
        point_signature=True,
        title="Syskit Point",
        description="Type, content and meta, as Syskit Point's webhooks send them.",
    ),
    "spscan": Format(
        spscan.body,
        point_signature=True,
        title="SPScan",
        description="With tenant and severity, as SPScan's webhooks send them.",
    ),
    "cloudevents": Format(
        cloudevents.body,
        cloudevents.Settings,
        consent=cloudevents.consent,
        title="CloudEvents",
        description="The CNCF's envelope: Azure Event Grid, Knative and others take it.",
    ),
    "slack": Format(slack.body, title="Slack", description="A message in a channel, by an incoming webhook of Slack."),
    "teams": Format(teams.body, title="Microsoft Teams", description="An adaptive card, by a workflow in Teams."),
    "servicenow": Format(
        servicenow.body,
        servicenow.Settings,
        needs_auth=_always,
        title="ServiceNow",
        description="An incident, or a row of another table.",
    ),
    "jira": Format(
        jira.body,
        jira.Settings,
        needs_auth=jira.needs_auth,
        title="Jira Cloud",
        description="An issue, or the data of an automation rule.",
    ),
    "connectwise": Format(
        connectwise.body,
        connectwise.Settings,
        needs_auth=_always,
        title="ConnectWise PSA",
        description="A service ticket on a board.",
    ),
    "autotask": Format(
        autotask.body,
        autotask.Settings,
        needs_auth=_always,
        title="Datto Autotask",
        description="A ticket in a queue.",
    ),
    "pagerduty": Format(
        pagerduty.body,
        pagerduty.Settings,
        mistakes=pagerduty.mistakes,
        title="PagerDuty",
        description="An alert, which the end of the matter resolves.",
    ),
    "email": Format(
        email.body,
        email.Settings,
        email.problems,
        needs_auth=_always,
        mistakes=email.mistakes,
        join=email.join,
        most_bytes=email.MOST_BYTES,
        digest_every=email.digest_every,
        max_per_second=email.PACE_PER_SECOND,
        title="E-mail",
        description="A mail from a mailbox of the tenant, by Microsoft Graph. For admins.",
    ),
    "splunk-hec": Format(
        splunk_hec.body,
        splunk_hec.Settings,
        needs_auth=_always,
        title="Splunk",
        description="An event for the HTTP Event Collector.",
    ),
    "sentinel": Format(
        sentinel.body,
        needs_auth=_always,
        mistakes=sentinel.mistakes,
        join=sentinel.join,
        most_bytes=sentinel.MOST_BYTES,
        title="Microsoft Sentinel",
        description="Rows of a table, by the Logs Ingestion API of Azure Monitor.",
    ),
    "template": Format(
        template.body,
        template.Settings,
        template.problems,
        title="Template",
        description="A JSON document of your own with placeholders, for any other receiver.",
    ),
}
