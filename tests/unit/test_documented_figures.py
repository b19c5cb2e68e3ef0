"""What the documentation tells of settings is what the code says, and a figure that several pages tell is the same."""

import json
import math
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.model.setting_values import UNITS, shown
from shared.outbound.breaker import OPENS_AFTER, PROBE_FACTORS
from shared.outbound.bulkhead import SLOTS
from shared.settings import Settings

ROOT = Path(__file__).parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
PAGES = {path.name: path.read_text("utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]}
FIELDS = {str(field.alias): field for field in Settings.model_fields.values()}
NOT_FOR_PEOPLE = {"AzureWebJobs.*.Disabled", "WEBSITE_INSTANCE_ID"}
"""Azure sets the second; the first is many names, told with what they switch off."""
OF_THE_HOST = {"PYTHON_THREADPOOL_THREAD_COUNT", "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"}
IN_WORDS = {"ALLOWED_TOKEN_AUDIENCES": "Power Automate's five clouds, and `api://*`", "SHARING_EVENTS": "the first two"}
"""Defaults that are too long for a table."""


def settings_table() -> dict[str, list[str]]:
    """Meaning, default and example of each setting, by name; two names may share a row."""
    [rows] = re.findall(r"^\| setting \| meaning \| default \|.*\n\|[ -|]+\n((?:\|.*\n)+)", OPERATIONS, re.MULTILINE)
    found: dict[str, list[str]] = {}
    for row in rows.splitlines():
        names, *cells = (cell.strip() for cell in row[1:-1].split(" | "))
        found |= dict.fromkeys(re.findall(r"`([^`]+)`", names), cells)
    return found


def test_every_setting_is_explained_and_no_other() -> None:
    assert settings_table().keys() == FIELDS.keys() - NOT_FOR_PEOPLE | OF_THE_HOST


@pytest.mark.parametrize("name", sorted(FIELDS.keys() - NOT_FOR_PEOPLE))
def test_the_default_that_is_told_is_the_apps(name: str) -> None:
    told = settings_table()[name][1]
    value = FIELDS[name].get_default()
    default = json.dumps(value) if isinstance(value, bool) else str(shown(name, value)).removesuffix(".0")
    if name in IN_WORDS:
        assert told.startswith(IN_WORDS[name])
    elif default:
        assert told == f"`{default}`"
    else:
        others = ("`TENANT_MICROSOFT_ID`, else `ENTRA_TENANT_ID`", "`ENTRA_TENANT_ID`")
        assert not told.startswith("`") or told in others


def bounds(name: str) -> list[str]:
    """Of a number, or a duration in the unit that the setting is named for."""
    limits = [getattr(each, which) for which in ("ge", "le") for each in FIELDS[name].metadata if hasattr(each, which)]
    unit = UNITS.get(name.rpartition("_")[2], timedelta(seconds=1))
    return [f"{limit / unit:g}" if isinstance(limit, timedelta) else f"{limit:g}" for limit in limits]


@pytest.mark.parametrize("name", sorted(name for name in FIELDS if bounds(name)))
def test_the_bounds_that_are_told_are_the_apps(name: str) -> None:
    assert " to ".join(bounds(name)) in settings_table()[name][0].replace(",", "")


# Figures that more than one page tells


def default(name: str) -> Any:
    return FIELDS[name].get_default()


def minutes(delay: timedelta) -> str:
    seconds = int(delay.total_seconds())
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min"


SCHEDULE = sum(default("RETRY_DELAYS"), timedelta())
LATEST = (SCHEDULE + default("BREAKER_GRACE_SECONDS")).total_seconds() / 60
NUMBERS = {4: "four", 5: "five"}
*BETWEEN, LAST = (int(factor * default("BREAKER_PROBE_SECONDS").total_seconds() / 60) for factor in PROBE_FACTORS)
TIMERS = {
    name: schedule
    for schedule, name in re.findall(
        r'timer_trigger\("timer", "([^"]+)"[^)]*\)\n(?:async )?def (\w+)', (ROOT / "function_app.py").read_text("utf-8")
    )
}
"""Schedules in seconds, minutes and hours, by function."""
FIGURES = {
    r"`sweep`[^.;]{0,60}every (\w+) minutes": NUMBERS[int(TIMERS["sweep"].split()[1].removeprefix("*/"))],
    r"`retire`, every day at (\d+:\d+)": "{2:0>2}:{1:0>2}".format(*TIMERS["retire"].split()),
    r"`reencrypt`, every day at (\d+:\d+)": "{2:0>2}:{1:0>2}".format(*TIMERS["reencrypt"].split()),
    r"\d+ s, \d+ min, \d+ min": ", ".join(map(minutes, default("RETRY_DELAYS"))),
    r"(\w+) attempts in about": NUMBERS[len(default("RETRY_DELAYS")) + 1],
    r"(?:attempts in|comes) about (\d+) minutes": str(math.ceil(SCHEDULE.total_seconds() / 60)),
    r"(\d+\.\d) minutes": f"{LATEST:.1f}",
    r"together \((\d+) minutes\)|past by (\d+) minutes": str(math.ceil(LATEST + 15)),
    r"(\w+) (?:different )?deliveries (?:to an endpoint )?have failed in a row": NUMBERS[OPENS_AFTER],
    r"after (1, [\d, ]+)(?:,| and) then every (?:15)": ", ".join(map(str, BETWEEN)),
    r"1, 2, 4, 8(?:,| and) then every (\d+) minutes": str(LAST),
    r"(\d+) slots": str(SLOTS),
    r"(\d+) to 51 days": str(default("RETENTION_DAYS").days + 14),
    r"for (\w+) days \(`DISABLE_AFTER_HOURS`\)": NUMBERS[default("DISABLE_AFTER_HOURS").days],
}
"""By how they are told."""


@pytest.mark.parametrize("told", FIGURES)
def test_a_figure_is_the_codes_on_every_page(told: str) -> None:
    found = {
        (page, "".join(filter(None, match.groups())) or match[0])
        for page, text in PAGES.items()
        for match in re.finditer(told, re.sub(r"\s+", " ", text))
    }
    assert found, "no page tells it so any more"
    assert {figure for _, figure in found} == {FIGURES[told]}, found
