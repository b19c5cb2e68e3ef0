"""The tour of README.md makes the same calls in PowerShell as with curl, and runs where there is a pwsh."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from known_answers import README, ROOT
from test_supervisor import started

TOUR = README.partition("## A tour with curl")[2].partition("### With Azure Functions Core Tools")[0]
CURL, _, POWERSHELL = TOUR.partition("<details>")
[START, STEPS] = re.findall(r"```powershell\n(.*?)```", POWERSHELL, re.DOTALL)
PWSH = shutil.which("pwsh")
Call = tuple[str, str, object]
"""Method, URL with the variables of the shell, and the body."""
HERE = re.compile(
    r'Invoke-RestMethod "([^"]+)"((?: -(?!Body)\w+ \S+)*)(?: -Body (?:@"\n(.*?)\n"@|\'(.*?)\'))?', re.DOTALL
)


def curl_calls() -> Iterator[Call]:
    text = "\n".join(re.findall(r"```sh\n(.*?)```", CURL, re.DOTALL)).replace("\\\n", " ")
    for command in re.findall(r"curl -sS ((?:[^\n']|'[^']*')*)", text):
        joined = re.sub(r"'(\$\w+)'", r"\1", command)  # out of the quotes, for the variable
        [url] = re.findall(r'"(\$\w+/[^"]*)"', command)[:1]
        body = re.search(r"-d '(.*)'", joined, re.DOTALL)
        method = re.search(r"-X (\w+)", command)
        yield (method[1] if method else "POST" if body else "GET").upper(), url, body and json.loads(body[1])


def powershell_calls() -> Iterator[Call]:
    for url, options, here, quoted in HERE.findall(STEPS):
        method = re.search(r"-Method (\w+)", options)
        body = here or quoted
        yield (method[1] if method else "GET").upper(), url, json.loads(body) if body else None


def test_both_make_the_same_calls() -> None:
    # With curl the alert log is read once to be seen and once for the id.
    failed = ("GET", "$app/v1.0/webhooks/deliveries?status=failed", None)
    expected = list(curl_calls())
    assert expected.count(failed) == 2
    expected.remove(failed)
    assert list(powershell_calls()) == expected
    assert len(expected) == 12


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
