"""docs/deployment.md says what the files beside it do: parameters, scripts, variables, outputs, and its own sums."""

import json
import re
from typing import Any

import pytest

from shared.settings import Settings

from .bicep import INFRA, MAIN, ROOT, deployed, files

TEXT = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
PARAMETERS = files(deployed())[MAIN].all("param")
FROM_AZD: dict[str, dict[str, str]] = json.loads((INFRA / "main.parameters.json").read_text("utf-8"))["parameters"]


def table(first_cell: str) -> list[list[str]]:
    """The rows of the one table whose head begins with this cell, without the head."""
    [found] = re.findall(rf"^\| {re.escape(first_cell)} \|.*\n\|[ -|]+\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    return [[cell.strip() for cell in row[1:-1].split("|")] for row in found.splitlines()]


def test_each_parameter_is_explained_once() -> None:
    """Here, or where it is a setting of the app by the same name and with the same default, with the settings."""
    rows = {row[1].strip("`"): row for row in table("`azd env set`")}
    [listed] = re.findall(r"in\n\[operations\.md\]\(operations\.md#settings\):\n\n(.*?)\n\n", TEXT, re.DOTALL)
    as_settings = set(re.findall(r"`([A-Z_]+)`", listed))
    by_name = {FROM_AZD[param.name]["value"][2:].partition("=")[0].rstrip("}"): param for param in PARAMETERS}
    assert list(rows) == [param.name for name, param in by_name.items() if name not in as_settings]
    assert as_settings <= by_name.keys() & {field.alias for field in Settings.model_fields.values()}
    for param in PARAMETERS:
        if param.name not in rows:
            continue
        name, _, meaning, default = (cell.strip("`") for cell in rows[param.name])
        assert FROM_AZD[param.name]["value"].startswith(f"${{{name}"), param.name
        described = param.decorators["description"].strip("'").replace("\\'", "'")
        assert meaning.startswith(described), f"{param.name}: {described}"
        for limit in ("minValue", "maxValue"):
            if "maxValue" in param.decorators:
                assert param.decorators[limit] in meaning.rstrip(".").split(), f"{param.name}: {limit}"
        written = re.search(r"= (.*)$", param.text.splitlines()[0])
        assert default == (written[1].strip("'") if written else "required"), param.name


def test_scripts_that_are_named_are_there_in_both_variants() -> None:
    named = set(re.findall(r"infra/scripts/([a-z-]+)", TEXT))
    assert named >= {"register-app", "secrets-key", "grant-role", "grant-graph-permissions"}
    for name in named:
        assert (INFRA / "scripts" / f"{name}.sh").is_file(), name
        assert (INFRA / "scripts" / f"{name}.ps1").is_file(), name


def test_what_is_read_from_azd_is_an_output_or_set_by_a_script() -> None:
    outputs = set(re.findall(r"^output (\w+)", (INFRA / MAIN).read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"azd env get-value (\w+)", TEXT))
    assert named - outputs == {"ENTRA_CLIENT_ID"}


def test_each_variable_of_the_workflow_is_explained_and_no_other() -> None:
    workflow = (ROOT / ".github" / "workflows" / "deploy.yml").read_text(encoding="utf-8")
    explained = {name for row in table("variable") for name in re.findall(r"`([A-Z_]+)`", row[0])}
    assert explained == set(re.findall(r"vars\.(\w+)", workflow))


def test_alerts_that_are_named_are_there_and_counted() -> None:
    alerts = {path.stem for path in (ROOT / "docs" / "queries" / "alerts").glob("*.kql")}
    assert "queue-is-late" in alerts
    assert column(1)["alert rules"] == len(alerts)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(((?!https)[^)]+)\)", TEXT))))
def test_links_lead_somewhere(link: str) -> None:
    path, _, anchor = link.partition("#")
    target = ROOT / "docs" / path if path else ROOT / "docs" / "deployment.md"
    assert target.is_file()
    headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert not anchor or anchor in anchors


# Costs: the amounts follow from what is said of them

DAYS = 30
SECONDS = DAYS * 24 * 3600
TIMER_RUNS = DAYS * (24 * 60 + 24 * 15 + 1 + 1 + 4)  # measure, sweep, retire, reencrypt, scan_storage


def column(number: int) -> dict[str, float]:
    """Counts as they stand in the table of costs; 1 is idle."""
    return {row[0]: float(row[number]) for row in table("a month")}


@pytest.mark.parametrize(
    ("number", "deliveries", "busy_seconds", "on_queues"),
    [(1, 0, 0, 0.0), (2, 1_000_000, 2_000_000, 3.0), (3, 100_000_000, 2 * SECONDS, 2.2)],
    ids=["idle", "a million", "a hundred million"],
)
def test_counts_follow_from_deliveries(number: int, deliveries: int, busy_seconds: int, on_queues: float) -> None:
    """Each timer run and each lone execution is a second; of 4.2 or 5 transactions 2 are on tables."""
    counts = column(number)
    millions = deliveries / 1e6
    assert counts["executions, millions"] == pytest.approx(2 * millions + TIMER_RUNS / 1e6, abs=0.005)
    assert counts["instance seconds, millions"] == pytest.approx((busy_seconds + TIMER_RUNS) / 1e6, abs=0.005)
    assert counts["queue transactions, millions"] == pytest.approx(5.8 + on_queues * millions)
    assert counts["table transactions, millions"] == pytest.approx(2 * millions)
    assert counts["data in tables, GB"] == pytest.approx(4 * millions * 1.5)
    assert counts["logs, GB"] == pytest.approx(4 * millions + 0.3)
    assert f"{TIMER_RUNS:,} of timers" in TEXT


def test_the_limit_of_the_account_follows_from_the_transactions() -> None:
    rows: dict[str, Any] = {row[0]: row[1] for row in table("what gives first")}
    assert rows["3. the account"] == f"{20_000 / 3.2 // 100 * 100:,.0f} events a second"
