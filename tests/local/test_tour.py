"""The tour of README.md makes the same calls in PowerShell as with curl, and runs where there is a pwsh."""

import json
import shutil
import subprocess

import pytest
from known_answers import README, ROOT
from shell_calls import Call, blocks, curl_calls, powershell_calls
from test_supervisor import started

TOUR = README.partition("## A tour with curl")[2].partition("### With Azure Functions Core Tools")[0]
CURL, _, POWERSHELL = TOUR.partition("<details>")
[START, STEPS] = blocks(POWERSHELL, "powershell")
PWSH = shutil.which("pwsh")


def test_both_make_the_same_calls() -> None:
    # With curl the alert log is read once to be seen and once for the id.
    failed = Call("GET", "$app/v1.0/webhooks/deliveries?status=failed", {}, None)
    expected = list(curl_calls("".join(blocks(CURL, "sh"))))
    assert expected.count(failed) == 2
    expected.remove(failed)
    assert list(powershell_calls(STEPS)) == expected
    assert len(expected) == 12


def test_the_answers_shown_name_what_an_answer_names_today() -> None:
    answers = [json.loads(block) for block in blocks(CURL, "json")]
    events = [answer for answer in answers if isinstance(answer, dict) and "meta" in answer]
    deliveries = [answer for answer in answers if isinstance(answer, dict) and "attempts" in answer]
    listed = [line for answer in answers if answer for line in answer.get("value", []) if "attempts" in line]
    assert len(events) == len(deliveries) == len(listed) == 1
    assert all("publisher" in event for event in events)
    assert all("host" in delivery for delivery in [*deliveries, *listed])


@pytest.mark.skipif(PWSH is None, reason="there is no PowerShell (pwsh) on the PATH")
def test_it_runs_in_powershell() -> None:
    with started("--in-memory", RETRY_DELAYS="5,10") as running:
        first, *rest = STEPS.splitlines(keepends=True)
        script = first.replace("python ", "python3 ").replace("env ", f"env --port {running.port} ") + "".join(rest)
        command = [
            str(PWSH),
            "-NoLogo",
            "-NoProfile",
            "-NonInteractive",
            "-Command",
            f"$ErrorActionPreference='Stop'\n{script}",
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    assert '"status": "delivered"' in done.stdout
    assert '"percent": 78' in done.stdout
