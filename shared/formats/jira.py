"""Jira Cloud: an issue (`POST /rest/api/3/issue`), or the data of an Automation rule's incoming webhook.

An issue's description is a document of nodes (Atlassian Document Format), whose texts know no markup.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from shared.formats.shortening import dumped, in_json, indented, within
from shared.formats.summary import Fact, Summary, is_link, left_out, summarise
from shared.formats.tickets import Fields, Text, description, headline
from shared.model import Event, Model, Severity
from shared.model.correlation import correlation_of
from shared.model.validation import Shaped

LONGEST_SUMMARY = 255
LONGEST_DESCRIPTION = 30_000
"""Jira allows 32,767 characters of a text; here they are counted as JSON, which is longer."""
PROPERTY = "tenant-hooks"

PRIORITIES: dict[Severity, str] = {"critical": "Highest", "high": "High", "medium": "Medium", "low": "Low"}
"""The names in a new Jira site."""

_PROJECT_KEY = Shaped("[A-Za-z][A-Za-z0-9_]*", "must be a letter, then letters, digits and _, such as OPS")
Label = Annotated[str, Field(max_length=255), Shaped(r"\S+", "must be a word without space")]


class Settings(Model):
    project_key: Annotated[str, Field(max_length=80), _PROJECT_KEY] | None = None
    issue_type: Text = "Task"
    labels: Annotated[tuple[Label, ...], Field(max_length=20)] = ("tenant-hooks",)
    priorities: dict[Severity, Text] = Field(
        default={**PRIORITIES}, description="By severity; one that is not named gets no priority, {} sends none"
    )
    correlation_label: Annotated[
        bool, Field(description="Whether an issue has the correlation key for a label, by which a rule finds it")
    ] = False
    fields: Fields = Field(default_factory=dict)
    via: Literal["issue", "automation"] = "issue"

    @model_validator(mode="after")
    def _issues_have_a_project(self) -> Self:
        if self.via == "issue" and self.project_key is None:
            raise ValueError('give projectKey, such as "OPS"; only an Automation rule ("via": "automation") needs none')
        return self


def body(event: Event, settings: Settings) -> tuple[str, bytes]:
    summary = summarise(event)
    made = _issue(event, summary, settings) if settings.via == "issue" else _data(event, summary, settings)
    return "application/json", dumped(made).encode()


def needs_auth(settings: Settings) -> bool:
    """The REST API lets nobody in without; an Automation rule may have its secret in the URL."""
    return settings.via == "issue"


def _issue(event: Event, summary: Summary, settings: Settings) -> dict[str, Any]:
    """The keys are in an entity property, which rules and JQL (through an app) can read."""
    matter = correlation_of(event)
    fields: dict[str, Any] = {
        "project": {"key": settings.project_key},
        "issuetype": {"name": settings.issue_type},
        "summary": headline(summary, LONGEST_SUMMARY),
        "description": _document(event, summary),
    }
    labels = [*settings.labels, *([matter.key] if settings.correlation_label else [])]
    if labels:
        fields["labels"] = labels
    if event.severity in settings.priorities:
        fields["priority"] = {"name": settings.priorities[event.severity]}
    value = {"idempotencyKey": event.key, "correlationKey": matter.key, "type": event.type, "severity": event.severity}
    return {"fields": fields | settings.fields, "properties": [{"key": PROPERTY, "value": value}]}


def _data(event: Event, summary: Summary, settings: Settings) -> dict[str, Any]:
    """What a rule reads as `{{webhookData.summary}}` and so on."""
    matter = correlation_of(event)
    data: dict[str, Any] = {
        "summary": headline(summary, LONGEST_SUMMARY),
        "description": description(summary, LONGEST_DESCRIPTION),
        "type": event.type,
        "severity": event.severity,
        "time": event.time_stamp,
        "idempotencyKey": event.key,
        "correlationKey": matter.key,
        "resolved": matter.is_resolved,
        "labels": list(settings.labels),
    }
    optional = {
        "subject": summary.subject,
        "projectKey": settings.project_key,
        "priority": settings.priorities.get(event.severity),
    }
    return data | {name: value for name, value in optional.items() if value} | settings.fields


def _document(event: Event, summary: Summary) -> dict[str, Any]:
    """One paragraph of facts and one of severity, tenant, time, type and key, a line each."""
    about = _paragraph([_line(fact) for fact in summary.about])
    mark = _line(left_out(event))
    room = LONGEST_DESCRIPTION - in_json(_doc([_paragraph([mark]), about]))
    lines, all_of_them = within(map(_line, summary.facts), room)
    if not all_of_them:
        lines.append(mark)
    return _doc([_paragraph(lines), about] if lines else [about])


def _doc(content: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "doc", "version": 1, "content": content}


def _paragraph(lines: list[list[dict[str, Any]]]) -> dict[str, Any]:
    return {"type": "paragraph", "content": [node for line in lines for node in line][:-1]}


def _line(fact: Fact) -> list[dict[str, Any]]:
    """Label and value, with a line break behind each line of it. Spaces that break no line are kept by a browser."""
    nodes = [{"type": "text", "text": f"{fact.label}: ", "marks": [{"type": "strong"}]}]
    for part in filter(str.strip, indented(fact.value, "\u00a0" * 4).split("\n")):
        text: dict[str, Any] = {"type": "text", "text": part}
        if is_link(fact.value):
            text["marks"] = [{"type": "link", "attrs": {"href": fact.value}}]
        nodes += [text, {"type": "hardBreak"}]
    return nodes
