"""Alert rules: what they are made of, and that they fire when what they are for happens, and only then."""

import itertools
import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from .bicep import ROOT, deployed
from .happenings import START, Happening, Odds
from .queries import Workspace, parsed, texts
from .rules import ALERTS, Rule, fired, notifications, rules

RULES = {rule.key: rule for rule in rules()}
TEXT = deployed()[ALERTS]
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
NEVER_TAKEN = 3
"""Of the failures of receivers: it ends a delivery at its first attempt."""

WINDOWS = {MINUTE * each for each in (1, 5, 10, 15, 30, 45, 60, 120, 180, 240, 300, 360, 1440, 2880)}
"""Those that Azure takes, for the window and for the time between two evaluations."""


def test_each_query_is_a_rule_of_the_same_name() -> None:
    assert sorted(rule.file for rule in RULES.values()) == sorted(n for n in texts() if n.startswith("alerts/"))
    assert all(rule.file == f"alerts/{rule.name}" for rule in RULES.values())
    assert all(re.sub(r"-(\w)", lambda m: m[1].upper(), rule.name) == rule.key for rule in RULES.values())


def test_each_rule_can_be_overridden_and_nothing_else() -> None:
    [settings] = re.findall(r"type rulesSettings = \{([^}]*)\}", TEXT)
    assert sorted(re.findall(r"(\w+): ruleSettings\?", settings)) == sorted(RULES)
    assert TEXT.count("@sealed()\ntype") == 2, "a misspelt override would be ignored"


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_it_compares_columns_that_the_query_has(rule: Rule) -> None:
    columns = parsed()[rule.file].columns
    assert columns["TimeGenerated"] == "datetime"
    assert {columns.get(name) for name in rule.dimensions} <= {"string"}
    assert (rule.measure is None) == (rule.aggregation == "Count")
    assert rule.measure is None or columns[rule.measure] in ("int", "long", "real")


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_its_times_are_such_as_azure_takes(rule: Rule) -> None:
    assert {rule.every, rule.window} <= WINDOWS
    assert rule.every < rule.window, "lines arrive late: what one evaluation misses the next must see"
    assert rule.mute in (None, rule.window), "or an event is told of twice, or not at all"
    assert 0 <= rule.severity <= 4


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_its_description_says_what_to_do_and_where_more_is(rule: Rule) -> None:
    headings = re.findall(r"^### (.+)$", (ROOT / "docs" / "operations.md").read_text("utf-8"), re.MULTILINE)
    assert rule.name in {heading.lower().replace(" ", "-") for heading in headings}
    assert "description: '${rule.value.description} See ${documentation}#${rule.value.name}'" in TEXT
    assert len(rule.description) > 60


def test_the_table_in_the_docs_is_right() -> None:
    docs = (ROOT / "docs" / "operations.md").read_text("utf-8")
    for rule in RULES.values():
        [row] = re.findall(rf"^\| \[`{rule.name}`\]\(#{rule.name}\) \|(.*)\|$", docs, re.MULTILINE)
        when, window, severity, kind = (cell.strip() for cell in row.split("|"))
        assert window == ("1 h" if rule.window == HOUR else f"{rule.window // MINUTE} min")
        assert severity == str(rule.severity)
        assert kind.split(",")[0] == ("event" if rule.mute else "state")
        assert ("by " in kind) == bool(rule.dimensions)
        assert rule.threshold in (0, 1) or f" {rule.threshold} " in f" {when} "


def _healthy() -> Happening:
    happening = Happening()
    happening.publishes(12)
    happening.measures(40, length=3, due_for=20 * MINUTE / 60)
    happening.runs("dispatch", "0", times=24, success=True, minute=20)
    happening.runs("event_publish", "404", times=50, minute=20)
    return happening


def _nothing() -> Happening:
    return Happening()


def _receivers_down() -> Happening:
    happening = Happening(Odds(receiver_fails=1.0))
    happening.publishes(10)
    happening.measures(40)
    return happening


def _few_attempts_fail() -> Happening:
    happening = Happening(Odds(receiver_fails=1.0, failure=NEVER_TAKEN))
    happening.publishes(2)
    happening.measures(80)
    return happening


def _receivers_redirect() -> Happening:
    happening = Happening()
    happening.measures(40)
    for status in (302,) * 15 + (200,) * 10:
        happening.writes(f'{{"event": "delivery.attempted", "status": {status}}}', minute=20)
    for _ in range(40):
        happening.writes('{"event": "delivery.attempted", "status": 200, "test": true}', minute=20)
    return happening


def _dispatch_stands_still() -> Happening:
    happening = Happening()
    happening.measures(40, length=400, due_for=6 * MINUTE)
    return happening


def _poison_stays() -> Happening:
    happening = Happening()
    happening.measures(40, poison=2)
    return happening


def _runs_fail() -> Happening:
    happening = Happening()
    happening.measures(40)
    happening.runs("dispatch", "0", times=3, minute=20)
    happening.runs("retire", "0", minute=20)
    happening.runs("event_publish", "503", times=6, minute=20)
    return happening


def _events() -> Happening:
    happening = Happening()
    happening.measures(40)
    happening.disables(1, minute=20)
    happening.finds_junk(b"junk")
    happening.writes('{"event": "storage.scan_failed", "error": "Sites.Read.All is not granted"}', minute=20)
    happening.writes(
        '{"event": "provisioning.failed", "workspace": "teams", "error": "the address is taken"}', minute=20
    )
    return happening


def _names_are_concealed() -> Happening:
    happening = Happening()
    happening.measures(40)
    happening.writes('{"event": "storage.names_concealed", "sites": 6, "settingIsOn": true}', minute=20)
    return happening


def _a_poll_is_refused() -> Happening:
    happening = Happening()
    happening.measures(40)
    line = '{"event": "sharing.poll_failed", "problem": "permission", "failures": 1, "error": "grant it"}'
    happening.writes(line, minute=20)
    return happening


def _polls_fail_in_passing() -> Happening:
    happening = Happening()
    happening.measures(40)
    for failures in (1, 2):
        for problem in ("throttled", "unreachable", "storage", "not-subscribed"):
            line = f'{{"event": "sharing.poll_failed", "problem": "{problem}", "failures": {failures}, "error": "429"}}'
            happening.writes(line, minute=20)
    return happening


def _polls_fail_for_long() -> Happening:
    happening = _polls_fail_in_passing()
    happening.writes(
        '{"event": "sharing.poll_failed", "problem": "throttled", "failures": 3, "error": "429"}', minute=21
    )
    return happening


def _sharing_is_lost() -> Happening:
    happening = Happening()
    happening.measures(40)
    happening.writes('{"event": "sharing.gap", "kind": "late", "start": "a", "end": "b"}', minute=20)
    happening.writes('{"event": "sharing.content_lost", "reason": "it expired"}', minute=20)
    return happening


ONE, TWO = (endpoint.id for endpoint in Happening().app.endpoints.all())


@pytest.mark.parametrize(
    ("happening", "expected"),
    [
        (_healthy, {}),
        (_nothing, {"appIsSilent": {()}}),
        (_receivers_down, {"alertLogGrows": {(ONE,), (TWO,)}, "attemptsFail": {()}}),
        (_few_attempts_fail, {"alertLogGrows": {(ONE,), (TWO,)}}),
        (_receivers_redirect, {"attemptsFail": {()}}),
        (_dispatch_stands_still, {"queueIsLate": {("deliveries",)}}),
        (_poison_stays, {"poisonQueueStaysFull": {()}}),
        (_runs_fail, {"invocationsFail": {("dispatch",)}, "requestsFail": {()}}),
        (
            _events,
            {
                "endpointDisabled": {(TWO,)},
                "alertLogGrows": {("none",)},
                "storageScanFails": {()},
                "provisioningFails": {()},
            },
        ),
        (_names_are_concealed, {"storageScanFails": {()}}),
        (_a_poll_is_refused, {"sharingPollFails": {()}}),
        (_polls_fail_in_passing, {}),
        (_polls_fail_for_long, {"sharingPollFails": {()}}),
        (_sharing_is_lost, {"sharingPollFails": {()}}),
    ],
)
def test_what_happens_fires_its_rules_and_no_others(
    happening: Callable[[], Happening], expected: dict[str, set[tuple[str, ...]]]
) -> None:
    happened = happening()
    workspace = Workspace(happened.traces, happened.requests)
    seen = {
        key: found
        for key, rule in RULES.items()
        if (found := set().union(*(fired(rule, workspace, START + MINUTE * at) for at in (11, 30))))
    }
    assert seen == expected


def test_an_endpoint_that_is_disabled_is_told_of_once_whatever_else_is() -> None:
    happening = Happening()
    happening.disables(0, minute=3)
    happening.disables(1, minute=9)
    told = notifications(RULES["endpointDisabled"], Workspace(happening.traces), START, START + HOUR)
    assert list(told) == [(START + 5 * MINUTE, ONE), (START + 10 * MINUTE, TWO)]


def test_an_event_is_missed_by_no_evaluation_and_told_again_when_it_goes_on() -> None:
    """Rows of the alert log every half minute for two hours: a message an hour, and every row in one of them."""
    happening = Happening()
    for half in range(240):
        fields = f'"endpointId": "{ONE}", "deliveryId": "{half}"'
        happening.writes(f'{{"event": "delivery.exhausted", {fields}}}', minute=half // 2)
    workspace, rule = Workspace(happening.traces), RULES["alertLogGrows"]
    told = [at for at, _ in notifications(rule, workspace, START + MINUTE, START + 3 * HOUR)]
    assert all(later - earlier == HOUR for earlier, later in itertools.pairwise(told))
    seen: set[str] = set()
    for at in told:
        workspace.look(at - rule.window, at)
        seen |= {row["id"] for row in workspace.ask(texts()[rule.file])}
    assert len(seen) == 240


def test_a_state_is_told_once_while_it_lasts() -> None:
    happened = _dispatch_stands_still()
    workspace, rule = Workspace(happened.traces), RULES["queueIsLate"]
    assert list(notifications(rule, workspace, START, START + HOUR)) == [(START, "deliveries")]
