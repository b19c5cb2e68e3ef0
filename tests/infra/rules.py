"""The alert rules of alerts.bicep, read and evaluated as Azure would."""

import itertools
import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from .bicep import Node, deployed, literal, members, read, written
from .queries import Row, Workspace, texts

ALERTS = "modules/alerts.bicep"

_OPERATORS = {"GreaterThan": operator.gt, "LessThan": operator.lt}
_AGGREGATIONS = {"Maximum": max, "Minimum": min}


@dataclass(frozen=True)
class Rule:
    """As alerts.bicep gives it when nothing is overridden."""

    key: str
    name: str
    description: str
    file: str
    """Of its query, below docs/queries and without the ending."""
    severity: int
    aggregation: str
    measure: str | None
    operator: str
    threshold: int
    dimensions: tuple[str, ...]
    every: timedelta
    window: timedelta
    mute: timedelta | None

    def fires_for(self, rows: list[Row]) -> set[tuple[str, ...]]:
        """The values of the dimensions for which these rows pass the threshold; `()` where there are none."""
        by = [(tuple(str(row[name]) for name in self.dimensions), row) for row in rows]
        groups = {key: [row for _, row in group] for key, group in itertools.groupby(sorted(by, key=_key), key=_key)}
        if not self.dimensions:
            groups.setdefault((), [])
        return {key for key, group in groups.items() if self._passes(group)}

    def _passes(self, rows: list[Row]) -> bool:
        if self.aggregation == "Count":
            return bool(_OPERATORS[self.operator](len(rows), self.threshold))
        values = [row[str(self.measure)] for row in rows]  # without any there is nothing to compare
        return bool(values) and bool(_OPERATORS[self.operator](_AGGREGATIONS[self.aggregation](values), self.threshold))


def _key(pair: tuple[tuple[str, ...], Row]) -> tuple[str, ...]:
    return pair[0]


def rules() -> list[Rule]:
    """Every rule."""
    file = read(ALERTS, deployed()[ALERTS])
    dimensions = {var.name: re.findall(r"name: '(\w+)'", var.text) for var in file.all("var")}
    return [_rule(key, node, file.text, dimensions) for key, node in members(file.one("defaults").object).items()]


def _rule(key: str, node: Node, text: str, dimensions: dict[str, list[str]]) -> Rule:
    of = members(node)
    said = {name: literal(value) for name, value in of.items()}
    [file] = re.findall(r"docs/queries/(\S+)\.kql'", written(of["query"], text))
    return Rule(
        key=key,
        name=str(said["name"]),
        description=str(said["description"]),
        file=file,
        severity=int(said["severity"] or 0),
        aggregation=str(said["aggregation"]),
        measure=str(said["measure"]) if "measure" in said else None,
        operator=str(said["operator"]),
        threshold=int(said["threshold"] or 0),
        dimensions=tuple(dimensions.get(written(of["dimensions"], text), ())),
        every=duration(str(said["evaluationFrequency"])),
        window=duration(str(said["windowSize"])),
        mute=duration(str(said["muteActionsDuration"])) if "muteActionsDuration" in said else None,
    )


def duration(text: str) -> timedelta:
    """Of ISO 8601, in hours or minutes."""
    match = re.fullmatch(r"PT(\d+)([HM])", text)
    assert match, f"{text} is no duration"
    return timedelta(**{{"H": "hours", "M": "minutes"}[match[2]]: int(match[1])})


def fired(rule: Rule, workspace: Workspace, at: datetime) -> set[tuple[str, ...]]:
    """For which values of its dimensions a rule fires when it is evaluated at a time."""
    workspace.look(at - rule.window, at)
    return rule.fires_for(workspace.ask(texts()[rule.file]))


def notifications(rule: Rule, workspace: Workspace, since: datetime, until: datetime) -> Iterator[tuple[datetime, str]]:
    """Every message that a rule sends, with the values of its dimensions: once while a state lasts; for an event once,
    and again after its silence."""
    told: dict[tuple[str, ...], datetime] = {}
    at = since
    while at <= until:
        now = fired(rule, workspace, at)
        for key in sorted(now):
            silent = key in told and (rule.mute is None or at - told[key] < rule.mute)
            if not silent:
                told[key] = at
                yield at, " ".join(key)
        if rule.mute is None:
            told = {key: since for key, since in told.items() if key in now}
        at += rule.every
