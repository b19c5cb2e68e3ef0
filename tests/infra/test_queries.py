"""The queries of docs/queries: Microsoft's parser takes them, the code writes what they read, and they answer right."""

import json
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from shared.storage.queues import POISON

from .happenings import START, Happening, Odds
from .lines import Lines, written
from .queries import Row, Workspace, about, events_of, fields_of, looked_for, parse, parsed, texts

TEXTS = texts()
LINES: Lines = written()
ON_LINES = sorted(name for name, text in TEXTS.items() if "parse_json" in text)
ATTEMPTS = TEXTS["workbook/deliveries-per-minute"]


BROKEN = {
    "column": ATTEMPTS.replace("| where Message", "| where Mesage"),
    "table": ATTEMPTS.replace("AppTraces", "traces"),
    "function": ATTEMPTS.replace("countif", "countwhen"),
    "keyword": ATTEMPTS.replace("line.status", "line.by"),
    "syntax": ATTEMPTS.replace("| summarize", "| sumarize"),
}


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_microsofts_parser_finds_nothing_wrong(name: str) -> None:
    assert parsed()[name].errors == []
    assert parsed()[name].columns


def test_what_the_parser_would_refuse_is_found() -> None:
    assert ATTEMPTS not in BROKEN.values()
    assert [name for name, each in parse(BROKEN).items() if not each.errors] == []


def complaints(name: str, query: str, lines: Lines) -> list[str]:
    """What a query reads and nobody writes."""
    named = events_of(query)
    known = set().union(*(lines.get(event, set()) for event in named))
    found = [f"{name} takes {event}, which nobody writes" for event in sorted(named - lines.keys())]
    found += [f"{name} reads {field}, which no {sorted(named)} has" for field in sorted(fields_of(query) - known)]
    if not named or named != looked_for(query):
        found.append(f"{name} takes {sorted(named)} and looks for {sorted(looked_for(query))}")
    return found


@pytest.mark.parametrize("name", ON_LINES)
def test_it_reads_what_the_code_writes(name: str) -> None:
    assert complaints(name, TEXTS[name], LINES) == []


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        pytest.param({"delivery.tried": LINES["delivery.attempted"]}, "takes delivery.attempted", id="event-renamed"),
        pytest.param({"delivery.attempted": LINES["delivery.attempted"] - {"status"}}, "reads status", id="field"),
    ],
)
def test_a_rename_in_the_code_is_found(lines: Lines, said: str) -> None:
    assert any(said in each for each in complaints("it", ATTEMPTS, lines))


def test_a_prefilter_that_leaves_out_what_the_query_takes_is_found() -> None:
    broken = ATTEMPTS.replace('has "delivery.attempted"', 'has "delivery.deferred"')
    assert complaints("it", broken, LINES) != []


def test_lines_are_read_from_the_code(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "function_app.py").write_text("", "utf-8")
    code = tmp_path / "shared" / "code.py"
    code.write_text('logs.warning("a.b", one=1)\nlogs.error("a.b", two=2)\n', "utf-8")
    assert written(tmp_path) == {"a.b": {"one", "two"}}
    code.write_text("logs.info(name, one=1)\n", "utf-8")
    with pytest.raises(AssertionError, match="cannot be checked"):
        written(tmp_path)


def test_the_poison_queue_has_this_name() -> None:
    assert f'"{POISON}"' in TEXTS["alerts/poison-queue-stays-full"]


@pytest.fixture(scope="module")
def busy() -> Happening:
    """Some deliveries arrive, some fail, some are given up; everything that the log can hold is in it."""
    happening = Happening(Odds(receiver_fails=0.9))
    happening.publishes(30)
    happening.measures(30, length=7, due_for=timedelta(seconds=40), poison=1)
    happening.disables(0, 5)
    happening.finds_junk(b"junk")
    site = {"siteUrl": "https://contoso.sharepoint.com/sites/hr", "quota": 100 * 2**30, "threshold": 90}
    happening.writes(_line("storage.site_near_limit", percent=91.2, currentUsage=91 * 2**30, **site), 1)
    happening.writes(_line("storage.site_near_limit", percent=95.5, currentUsage=95 * 2**30, **site), 2)
    happening.writes(_line("storage.scanned", sites=10, kept=2, reportDate="2026-11-20", seconds=1.5), 3)
    happening.writes(_line("audit", actor="somebody", action="endpoint.changed", endpointId="A"))
    happening.writes(_line("event.published", type="custom.lost", idempotencyKey="lost", deliveries=0))
    happening.writes("SECRETS_KEY: is missing", level=3)
    happening.writes(_line("sharing.polled", contents=3, records=900, sharing=4, published=2, seconds=1.5), 3)
    happening.writes('delivery.attempted {"event": "delivery.attempted", "status": 200} is quoted in a traceback')
    happening.writes(_line("delivery.attempted", endpointId="TEST", host="t", status=500, durationMs=1, test=True))
    for status in (302, 500):
        happening.writes(_line("delivery.attempted", endpointId="ANSWERS", host="a", status=status, durationMs=1))
    for kind, end, seconds in (("teams", "completed", 41.5), ("teams", "failed", 3600.0), ("sites", "completed", 9.0)):
        error = {"error": "taken"} if end == "failed" else {}
        happening.writes(_line(f"provisioning.{end}", requestId="r", workspace=kind, seconds=seconds, **error))
    happening.runs("dispatch", "0", times=3)
    happening.runs("event_publish", "503", times=2)
    happening.runs("event_publish", "404")
    happening.runs("measure", "0", success=True)
    return happening


def _line(event: str, **fields: object) -> str:
    return json.dumps({"event": event, **fields})


@pytest.fixture(scope="module")
def workspace(busy: Happening) -> Workspace:
    arrived = {"TimeGenerated": "2026-11-22 10:00:00", "Severity": "critical"}
    events = [
        {**arrived, "EventType": "permission.anonymous_link_created", "Content": '{"itemType":"Site"}'},
        {**arrived, "EventType": "storage.threshold_exceeded", "Content": "{}"},
    ]
    failed = {"TimeGenerated": "2026-11-22 10:00:00", "OperationName": "dispatch", "InnermostType": "RpcException"}
    exceptions = [{**failed, "InnermostMessage": "storage", "OperationId": "0"}]
    return Workspace(busy.traces, busy.requests, exceptions, events)


def _written(busy: Happening, event: str) -> list[Row]:
    lines = [json.loads(row["Message"]) for row in busy.traces if row["Message"].startswith("{")]
    return [line for line in lines if line["event"] == event and "test" not in line]


ABOUT_ONE = sorted(name for name, text in TEXTS.items() if "let wanted" in text)


FAILURES = {"alerts/storage-scan-fails", "alerts/sharing-poll-fails"}


@pytest.mark.parametrize("name", sorted(TEXTS.keys() - {*FAILURES, *ABOUT_ONE}))
def test_it_answers(name: str, workspace: Workspace) -> None:
    """Also a second judge of what it means: DuckDB's columns are those that Microsoft's parser foresees."""
    [first, *_] = workspace.ask(TEXTS[name])
    assert list(first) == list(parsed()[name].columns)


def test_questions_about_one_are_answered_about_it_alone(busy: Happening, workspace: Workspace) -> None:
    attempts = _written(busy, "delivery.attempted")
    one = next(line for line in attempts if line.get("attempt") == 2)
    asked = {
        "questions/what-became-of-an-event": "idempotencyKey",
        "questions/what-became-of-a-delivery": "deliveryId",
        "questions/attempts-of-an-endpoint": "endpointId",
    }
    assert sorted(asked) == ABOUT_ONE
    for name, field in asked.items():
        rows = workspace.ask(about(TEXTS[name], one[field]))
        assert list(rows[0]) == list(parsed()[name].columns)
        made = [line for line in attempts if line.get(field) == one[field]]
        shown = [row for row in rows if row.get("event", "delivery.attempted") == "delivery.attempted"]
        assert len(shown) == min(len(made), 100)  # of an endpoint the newest
        assert workspace.ask(TEXTS[name]) == []


def test_attempts_are_counted_once_and_test_events_not_at_all(busy: Happening, workspace: Workspace) -> None:
    attempts = _written(busy, "delivery.attempted")
    good = [line for line in attempts if line.get("status") == 200]
    assert 0 < len(good) < len(attempts)
    per_minute = workspace.ask(ATTEMPTS)
    assert sum(row["delivered"] for row in per_minute) * 5 == pytest.approx(len(good))
    assert sum(row["failed"] for row in per_minute) * 5 == pytest.approx(len(attempts) - len(good))
    rates = workspace.ask(TEXTS["workbook/success-rate"])
    assert sum(row["attempts"] for row in rates) == len(attempts)
    assert sum(row["delivered"] for row in rates) == len(good)
    assert sum(row["exhausted"] for row in rates) == len(_written(busy, "delivery.exhausted")) > 0
    assert [row["successPercent"] for row in rates] == [
        pytest.approx(100 * row["delivered"] / row["attempts"], abs=0.0051) for row in rates
    ]


def test_endpoints_are_told_apart(busy: Happening, workspace: Workspace) -> None:
    attempts = _written(busy, "delivery.attempted")
    failed = Counter(line["endpointId"] for line in attempts if line.get("status") != 200)
    rows = workspace.ask(TEXTS["workbook/failing-endpoints"])
    assert {row["endpointId"]: row["failed"] for row in rows} == failed
    assert {row["lastFailure"] for row in rows} <= {
        "refused",
        *(f"status {status}" for status in (302, 400, 429, 500)),
    }
    slowest = workspace.ask(TEXTS["workbook/slowest-endpoints"])
    assert {row["endpointId"]: row["attempts"] for row in slowest} == Counter(line["endpointId"] for line in attempts)
    assert sum(row["deferred"] for row in workspace.ask(TEXTS["workbook/deferred-endpoints"])) == len(
        _written(busy, "delivery.deferred")
    )


def test_the_time_of_a_success_counts_from_acceptance(workspace: Workspace) -> None:
    """One delivery that took its time: accepted at the start, delivered by its third attempt."""
    alone = Happening()
    identity = f"{round(START.timestamp() * 1000):012X}-EVENT-ENDPOINT"
    fields = {"deliveryId": identity, "endpointId": "ENDPOINT", "host": "one.example"}
    alone.writes(_line("delivery.attempted", **fields, attempt=1, error="refused", durationMs=3))
    alone.writes(_line("delivery.attempted", **fields, attempt=2, status=500, durationMs=3), minute=1)
    alone.writes(_line("delivery.attempted", **fields, attempt=3, status=202, durationMs=3), minute=3)
    [row] = Workspace(alone.traces).ask(TEXTS["workbook/publish-to-success"])
    assert row["p50"] == row["p99"] == 180.0
    assert workspace.ask(TEXTS["workbook/publish-to-success"])[0]["p50"] >= 0


def test_a_site_is_shown_once_as_the_last_scan_saw_it(workspace: Workspace) -> None:
    [row] = workspace.ask(TEXTS["workbook/sites-near-limit"])
    assert (row["percent"], row["usedGiB"], row["quotaGiB"], row["threshold"]) == (95.5, 95.0, 100.0, "90")
    assert row["seenAt"] == datetime(2026, 11, 22, 10, 2)


def test_events_for_nobody_are_those_of_callers(workspace: Workspace) -> None:
    [row] = workspace.ask(TEXTS["questions/events-for-nobody"])
    assert (row["type"], row["events"], row["example"]) == ("custom.lost", 1, "lost")


def test_errors_are_shown_and_nothing_else(workspace: Workspace) -> None:
    assert [row["text"] for row in workspace.ask(TEXTS["questions/errors-in-the-log"])] == ["SECRETS_KEY: is missing"]


def test_workspaces_are_counted_by_kind(workspace: Workspace) -> None:
    rows = {row["workspace"]: row for row in workspace.ask(TEXTS["workbook/workspaces"])}
    assert {kind: (row["requests"], row["failures"]) for kind, row in rows.items()} == {
        "sites": (1, 0),
        "teams": (2, 1),
    }
    assert rows["teams"]["slowestSeconds"] == 3600.0


def test_only_requests_and_runs_that_failed_count(workspace: Workspace) -> None:
    rows = workspace.ask(TEXTS["workbook/failed-runs"])
    assert {row["function"]: row["runs"] for row in rows} == {"dispatch": 3, "event_publish": 2}
