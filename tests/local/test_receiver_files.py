"""What the receivers in examples/receivers have in common and say of themselves, read from their files."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
from known_answers import ROOT, known_answers
from test_signature_snippets import NOW, STANDARD, expected, judged_by, loaded

RECEIVERS = ROOT / "examples" / "receivers"
TEXTS = {
    path.relative_to(RECEIVERS).as_posix(): path.read_text(encoding="utf-8")
    for path in RECEIVERS.rglob("*.*")
    if path.suffix in (".py", ".mjs", ".cs", ".csproj", ".ps1", ".psm1", ".md")
}
PWSH = shutil.which("pwsh")
needs_powershell = pytest.mark.skipif(PWSH is None, reason="there is no PowerShell (pwsh) on the PATH")
SHARED = RECEIVERS / "powershell" / "shared.psm1"
FUNCTIONS = {
    "python": "python/function_app.py",
    "csharp": "csharp/Receiver.cs",
    "powershell": "powershell/receive/run.ps1",
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_functions_refuse_at_the_size_that_the_readme_says(name: str) -> None:
    [said] = re.findall(rf"^\| \[{name}\].* \| \[([\d,]+) bytes\]\(#sizes\) \|", TEXTS["README.md"], re.MULTILINE)
    text = TEXTS[FUNCTIONS[name]]
    numbers = {int(number.replace("_", "")) for number in re.findall(r"\b[\d_]{5,}\b", text)}
    assert {40_000, 49_000} <= numbers
    assert said == f"{40_000:,}"
    assert f"larger than this receiver takes ({said} bytes)" in text


def test_the_csharp_project_hides_none_of_its_classes() -> None:
    """The SDK generates code into the root namespace, which is the project's name unless it is said."""
    properties = dict(re.findall(r"<(\w+)>(.*)</\1>", TEXTS["csharp/Receiver.csproj"]))
    classes = set(re.findall(r"\bclass (\w+)", TEXTS["csharp/Receiver.cs"]))
    [namespace] = re.findall(r"^namespace (\S+);", TEXTS["csharp/Receiver.cs"], re.MULTILINE)
    assert "Receiver" in classes
    assert properties["RootNamespace"] == namespace
    assert not classes & set(namespace.split("."))
    assert properties["TargetFramework"] == "net10.0"
    said = re.findall(r"\.NET (\d+)", TEXTS["csharp/Receiver.cs"] + TEXTS["README.md"])
    assert set(said) == {"10"}


def test_what_a_build_of_the_csharp_receiver_makes_stays_out_of_git() -> None:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("this is no clone of the repository")
    made = ["examples/receivers/csharp/bin/Debug/a.dll", "examples/receivers/csharp/obj/project.assets.json"]
    done = subprocess.run([git, "check-ignore", *made], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines() == made


@pytest.fixture
def python_receiver(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name in [name for name in os.environ if name.startswith("AzureWebJobsStorage")]:
        monkeypatch.delenv(name)
    return loaded(RECEIVERS / "python" / "function_app.py")


def test_the_python_receiver_names_the_storage_setting_that_is_missing(python_receiver: ModuleType) -> None:
    for part in (python_receiver.queue, python_receiver.table):
        with pytest.raises(RuntimeError, match=r"Set AzureWebJobsStorage__accountName .* or AzureWebJobsStorage to a"):
            part()


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_A", "whsec_" + "A" * 41, "whsec_Ünsinn", "A" * 44])
def test_the_python_receiver_names_the_secret_that_is_none(python_receiver: ModuleType, secret: str) -> None:
    with pytest.raises(ValueError, match="TENANT_HOOKS_SECRET must be"):
        python_receiver.key_of(secret)


def test_each_receiver_names_the_settings_without_which_it_cannot_work() -> None:
    for name in ("python/function_app.py", "csharp/Program.cs", "powershell/shared.psm1"):
        assert re.search(r"Set (AzureWebJobsStorage__accountName|\{STORAGE\}__accountName) to", TEXTS[name]), name
    assert "JOURNAL must name" in TEXTS["node/receiver.mjs"]


# PowerShell


def powershell(script: str, folder: Path) -> list[str]:
    file = folder / "test.ps1"
    file.write_text(f"$ErrorActionPreference = 'Stop'\nImport-Module '{SHARED}'\n{script}", encoding="utf-8-sig")
    return [str(PWSH), "-NoLogo", "-NoProfile", "-NonInteractive", "-File", str(file)]


@needs_powershell
def test_the_powershell_receiver_judges_the_known_answers(tmp_path: Path) -> None:
    judge = """
    $given = [Console]::In.ReadToEnd() | ConvertFrom-Json -AsHashtable
    $judged = foreach ($case in $given.cases) {
        $name, $headers, $body, $key = $case
        $bytes = [Convert]::FromBase64String($body)
        $null -eq (Find-Fault -Body $bytes -Headers $headers -Secret $key -Now $given.now)
    }
    ConvertTo-Json -Compress -InputObject @($judged)
    """
    assert judged_by(powershell(judge, tmp_path), STANDARD, NOW) == expected(STANDARD)


@needs_powershell
@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_" + "A" * 41, "whsec_A=", "A" * 44])
def test_the_powershell_receiver_names_the_secret_that_is_none(tmp_path: Path, secret: str) -> None:
    known = known_answers()
    headers = "; ".join(f"'{name}' = '{value}'" for name, value in known.headers.items())
    script = f"""
    try {{ Find-Fault -Body ([byte[]](1, 2)) -Headers @{{ {headers} }} -Secret '{secret}' -Now {known.seconds} }}
    catch {{ [Console]::Out.Write($_.Exception.Message) }}
    """
    done = subprocess.run(powershell(script, tmp_path), capture_output=True, encoding="utf-8")
    assert done.stdout.startswith("TENANT_HOOKS_SECRET must be the endpoint's secret"), done.stderr


@needs_powershell
@pytest.mark.parametrize("key", ["2026-11-22T10:00:00Z", "2026-11-22T10:00:00", "2026-11-22", "share-4711", "17"])
def test_the_powershell_receiver_has_the_key_that_was_sent(tmp_path: Path, key: str) -> None:
    """Also from a message that another receiver put on the queue, which carries it once."""
    script = """
    $received = [Console]::In.ReadToEnd() | ConvertFrom-Json -AsHashtable
    [Console]::Out.Write((Get-EventKey $received))
    """
    done = subprocess.run(
        powershell(script, tmp_path), input=json.dumps({"webhookId": key}), capture_output=True, encoding="utf-8"
    )
    assert (done.stdout, done.stderr) == (key, "")
