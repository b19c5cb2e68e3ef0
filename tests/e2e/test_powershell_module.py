"""integrations/powershell where there is a PowerShell: its own tests, and its functions against the running app."""

import json
import os
import shutil
import subprocess

import pytest

from local.issuer import sign_token

from .conftest import App
from .hosting import ROOT

PWSH = shutil.which("pwsh")
MODULE = ROOT / "integrations" / "powershell"
pytestmark = pytest.mark.skipif(PWSH is None, reason="there is no PowerShell (pwsh) on the PATH")
USE = """
$ErrorActionPreference = 'Stop'
Import-Module MODULE/TenantHooks.psd1
Connect-TenantHooks $env:APP -Token $env:TOKEN
$made = Register-TenantHooksEndpoint $env:RECEIVER -Types custom.module -MinSeverity high -Enabled $true
$null = $made | Set-TenantHooksEndpoint -Name Module -Clear minSeverity
$published = 1..3 | ForEach-Object {
    [pscustomobject]@{ Type = 'custom.module'; Content = @{ n = $_ }; IdempotencyKey = "module-$_" }
} | Publish-TenantHooksEvent
$tested = $made | Test-TenantHooksEndpoint
$problem = try { Get-TenantHooksEndpoint AAAAAAAAAAAAAAAAAAAAAAAAAA } catch { $_.Exception.Message }
$made | Remove-TenantHooksEndpoint -WhatIf
$still = @(Get-TenantHooksEndpoint | Where-Object id -EQ $made.id)
$null = $made | Remove-TenantHooksEndpoint -Confirm:$false
ConvertTo-Json -Compress -Depth 9 @{
    deliveries = @($published.deliveries); status = $tested.status; name = $still[0].name
    minSeverity = $still[0].minSeverity; problem = $problem
    left = @(Get-TenantHooksEndpoint | Where-Object id -EQ $made.id).Count
}
"""


def run(script: str, **environment: str) -> str:
    command = [str(PWSH), "-NoLogo", "-NoProfile", "-NonInteractive", "-Command", script]
    done = subprocess.run(command, env={**environment, **_outside()}, capture_output=True, encoding="utf-8", cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _outside() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {"NO_COLOR": "1"}


def test_its_own_tests_hold() -> None:
    pester = "(Get-Module -ListAvailable Pester | Sort-Object Version | Select-Object -Last 1).Version.Major"
    if not run(pester).strip().startswith(("5", "6")):
        pytest.skip("there is no Pester 5")
    run(f"Invoke-Pester -CI -Path '{MODULE / 'tests'}'")


def test_it_works_with_the_app(app: App) -> None:
    hook = app.receiver.hook(202)
    token = sign_token(app.api.key, ["Point.Admin"])
    shown = run(USE.replace("MODULE", str(MODULE)), APP=app.host.url, TOKEN=token, RECEIVER=hook.url)
    found = json.loads(shown.splitlines()[-1])
    assert found["deliveries"] == [1, 1, 1]
    assert (found["status"], found["name"], found["minSeverity"], found["left"]) == (202, "Module", None, 0)
    assert found["problem"].startswith("404: There is no endpoint with this id")
