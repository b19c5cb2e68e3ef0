"""docs/runbook.md: its commands run, its questions are there, its numbers are true, and it fits a phone."""

import json
import os
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from shared.settings import Settings

from .bicep import ROOT
from .queries import about, texts

PAGE = (ROOT / "docs" / "runbook.md").read_text("utf-8")
SHELL = [block.replace("\n  ", "\n") for block in re.findall(r"^ *```sh\n(.*?)^ *```$", PAGE, re.MULTILINE | re.DOTALL)]
BASH = shutil.which("bash")
needs_bash = pytest.mark.skipif(os.name != "posix" or BASH is None, reason="needs bash")
AZ = """#!/bin/sh
python3 -c 'import json, sys; print(json.dumps(sys.argv[1:]))' "$@" >>"$CALLS"
echo answered
"""


@needs_bash
def test_the_commands_are_bash() -> None:
    assert len(SHELL) > 20
    checked = subprocess.run([str(BASH), "-n"], input="\n".join(SHELL), capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


@needs_bash
def test_the_box_sets_the_variables_and_asks_the_log(tmp_path: Path) -> None:
    (tmp_path / "az").write_text(AZ, "utf-8")
    (tmp_path / "az").chmod(0o755)
    calls = tmp_path / "calls"
    question = "questions/what-became-of-an-event"
    asked = f"{SHELL[0]}\n{SHELL[1]}\nask {question} tour-7 P1D\nask workbook/oldest-message\n"
    asked += 'printf "%s\\n" "$group" "$name" "$app" "$client" "$auth" "$json" "$workspace" "$master"'
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "CALLS": str(calls)}
    done = subprocess.run(
        [str(BASH), "-eu"], input=asked, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[2:] == [
        "answered", "answered", "https://answered", "answered", "Authorization: Bearer answered",
        "Content-Type: application/json", "answered", "answered",
    ]  # fmt: skip
    *_, event, oldest = (json.loads(line) for line in calls.read_text("utf-8").splitlines())
    query = event[event.index("--analytics-query") + 1]
    assert query.strip() == about(texts()[question], "tour-7").strip()
    assert event[event.index("-t") + 1] == "P1D"
    assert oldest[oldest.index("-t") + 1] == "PT4H"


def test_every_question_is_there_and_is_asked() -> None:
    asked = set(re.findall(r"\bask ((?:questions|workbook|alerts)/[\w-]+)", PAGE))
    assert asked <= texts().keys()
    assert {name for name in texts() if name.startswith("questions/")} <= asked


def test_every_alert_leads_to_a_symptom() -> None:
    alerts = {name.removeprefix("alerts/") for name in texts() if name.startswith("alerts/")}
    section = PAGE.partition("## An alert woke me")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([a-z-]+)`", section)) == alerts


def test_the_numbers_are_true() -> None:
    queues = json.loads((ROOT / "host.json").read_text("utf-8"))["extensions"]["queues"]
    assert (queues["maxDequeueCount"], queues["visibilityTimeout"]) == (10, "00:01:00")
    assert "tried ten times, a minute apart" in PAGE.replace("\n ", "")
    disable_after = Settings.model_fields["disable_after"].default
    assert disable_after == timedelta(days=5)
    assert "nothing succeeded for five days" in PAGE


def test_it_fits_a_phone() -> None:
    """No table, and commands that are broken before they are long."""
    assert re.findall(r"^ *\|", PAGE, re.MULTILINE) == []
    assert [line for block in SHELL for line in block.splitlines() if len(line) > 80] == []
