"""Registration commands of docs/receivers.md, sent to the running app as they are printed."""

import os
import re
import shutil
import subprocess

import pytest

from local.issuer import sign_token

from .api import ENDPOINTS
from .conftest import App
from .hosting import ROOT

PAGE = (ROOT / "docs" / "receivers.md").read_text("utf-8")
COMMANDS = re.findall(r"^```sh\n(curl .*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
GRAPH = "https://graph.microsoft.com"
HANDSHAKE = '"handshake": true'
TWINS = re.findall(r"^```powershell\n(Invoke-RestMethod .*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
BASH = shutil.which("bash")
PWSH = shutil.which("pwsh")
needs_bash = pytest.mark.skipif(os.name != "posix" or not (BASH and shutil.which("curl")), reason="needs bash and curl")


def sent(app: App, command: str) -> str:
    """What is answered to a command in a shell that has the variables of the tour. Microsoft Graph, to which the app's
    own token goes, is the stand-in of the tests."""
    command = command.replace(f'"endpoint": "{GRAPH}/', f'"endpoint": "{app.graph.url}/')
    token = sign_token(app.api.key, ["Point.Admin"])
    shell = {"app": app.host.url, "auth": f"Authorization: Bearer {token}", "json": "Content-Type: application/json"}
    done = subprocess.run(
        [str(BASH), "-eu"],
        input=command,
        env={"PATH": os.environ["PATH"], "no_proxy": "*", **shell},
        capture_output=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def member(command: str, name: str) -> str:
    [value] = re.findall(rf'"{name}": "([^"]+)"', command)
    return str(value)


@needs_bash
@pytest.mark.parametrize(
    "command",
    [command for command in COMMANDS if HANDSHAKE not in command],
    ids=lambda command: member(command, "format"),
)
def test_a_registration_works_as_printed(app: App, command: str) -> None:
    assert sent(app, command) == "null"
    url = member(command, "endpoint").replace(GRAPH, app.graph.url)
    [endpoint] = [each for each in app.api.call("GET", ENDPOINTS).json if each["endpoint"] == url]
    assert endpoint["format"] == member(command, "format")
    app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


@needs_bash
def test_a_registration_with_a_handshake_asks_the_receiver_first(app: App) -> None:
    """There is none at the address that is printed."""
    [command] = [command for command in COMMANDS if HANDSHAKE in command]
    answer = sent(app, command)
    assert '"status":400' in answer
    assert "events.contoso.com" in answer


@pytest.mark.skipif(PWSH is None, reason="there is no PowerShell (pwsh) on the PATH")
def test_the_registrations_work_in_powershell_as_printed(app: App) -> None:
    commands = [command for command in TWINS if HANDSHAKE not in command]
    assert len(commands) == len(COMMANDS) - 1
    token = sign_token(app.api.key, ["Point.Admin"])
    variables = ["$ErrorActionPreference = 'Stop'", "$app = $env:APP", "$json = 'application/json'"]
    variables.append("$auth = @{ Authorization = $env:AUTHORIZATION }")
    environment = {**os.environ, "APP": app.host.url, "AUTHORIZATION": f"Bearer {token}", "no_proxy": "*"}
    arguments = [str(PWSH), "-NoLogo", "-NoProfile", "-NonInteractive", "-Command", "\n".join([*variables, *commands])]
    done = subprocess.run(arguments, env=environment, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    registered = {each["endpoint"]: each for each in app.api.call("GET", ENDPOINTS).json}
    for command in commands:
        endpoint = registered[member(command, "endpoint")]
        assert endpoint["format"] == member(command, "format")
        app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)
