"""The GitHub workflows and azure.yaml: nothing moves under them, and they may do no more than they must."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.setup import OLDEST_NODE

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS: dict[str, dict[Any, Any]] = {
    path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.yml"))
}
JOBS = {f"{file} {name}": job for file, workflow in WORKFLOWS.items() for name, job in workflow["jobs"].items()}
STEPS = [step for job in JOBS.values() for step in job.get("steps", [])]
DEPLOY: dict[str, Any] = WORKFLOWS["deploy.yml"]["jobs"]["deploy"]


def triggers(file: str) -> dict[str, Any]:
    """YAML 1.1, which PyYAML reads, takes the word `on` for a boolean."""
    found: dict[str, Any] = WORKFLOWS[file][True]
    return found


def test_every_action_is_pinned_by_commit_and_says_its_version() -> None:
    lines = [line for path in FOLDER.iterdir() for line in path.read_text(encoding="utf-8").splitlines()]
    uses = [line for line in lines if re.match(r"\s*-?\s*uses: (?!\./)", line)]
    assert len(uses) >= 5
    for line in uses:
        assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line
    pinned = {tuple(line.split("uses: ")[1].split("@")) for line in uses}
    assert len({action.lower() for action, _ in pinned}) == len(pinned), "one action at two versions"


@pytest.mark.parametrize("name", JOBS)
def test_no_job_may_more_than_it_must(name: str) -> None:
    file = name.split()[0]
    granted = JOBS[name].get("permissions", WORKFLOWS[file]["permissions"])
    writes = {scope for scope, level in granted.items() if level != "read"}
    assert writes == ({"id-token"} if name == "deploy.yml deploy" else set())
    assert "uses" in JOBS[name] or JOBS[name]["timeout-minutes"] <= 30


def test_no_workflow_has_permissions_by_default() -> None:
    """Without the key, a job has what the repository's settings say."""
    assert {file: workflow["permissions"] for file, workflow in WORKFLOWS.items()} == {
        "deploy.yml": {},
        "tests.yml": {"contents": "read"},
    }


def test_no_command_is_put_together_from_expressions() -> None:
    """An expression is replaced before the shell reads the line: a value could end the command and begin another."""
    commands = [step["run"] for step in STEPS if "run" in step]
    assert len(commands) >= 5
    assert [command for command in commands if "${{" in command] == []


def test_a_checkout_leaves_no_token_behind() -> None:
    checkouts = [step for step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == 2
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_no_secret_is_needed() -> None:
    assert [path.name for path in FOLDER.iterdir() if "secrets." in path.read_text(encoding="utf-8")] == []


def test_tests_run_for_every_change_on_every_python_that_is_supported() -> None:
    assert {"push", "pull_request"} <= triggers("tests.yml").keys()
    pairs = WORKFLOWS["tests.yml"]["jobs"]["tests"]["strategy"]["matrix"]["include"]
    versions = [pair["python"] for pair in pairs]
    assert versions == ["3.11", "3.12", "3.13", "3.14"]
    assert pairs[0]["node"] == str(OLDEST_NODE), "the oldest Node.js that dev.py takes"
    floor = re.search(r'requires-python = ">=(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert floor is not None
    assert versions[0] == floor[1]
    assert any(step.get("run") == ".ci/run" for step in WORKFLOWS["tests.yml"]["jobs"]["tests"]["steps"])
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_workflow_has_what_tests_are_skipped_without_elsewhere() -> None:
    """The runner's image has a pwsh today; a step that fails tells when it has none, where pytest would only skip."""
    commands = [step.get("run", "") for step in WORKFLOWS["tests.yml"]["jobs"]["tests"]["steps"]]
    [shown] = [number for number, command in enumerate(commands) if command.startswith("pwsh ")]
    assert shown < commands.index(".ci/run")


def test_only_a_version_tag_deploys_and_only_after_the_tests() -> None:
    assert triggers("deploy.yml") == {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}}
    assert DEPLOY["needs"] == "tests"
    assert WORKFLOWS["deploy.yml"]["jobs"]["tests"]["uses"] == "./.github/workflows/tests.yml"
    assert "workflow_call" in triggers("tests.yml")
    assert DEPLOY["environment"]


def test_the_infrastructure_is_left_alone_unless_asked_for() -> None:
    """Provisioning sets every parameter: one that is not named in the pipeline goes back to its default."""
    for step in DEPLOY["steps"]:
        touches = "azd provision" in step.get("run", "") or step.get("uses", "").startswith("azure/login")
        assert (step.get("if") == "vars.PROVISION == 'true'") is touches
    assert [step["run"] for step in DEPLOY["steps"] if "azd deploy" in step.get("run", "")] == [
        "azd deploy --no-prompt"
    ]


@pytest.mark.skipif(os.name != "posix", reason="needs bash")
@pytest.mark.parametrize("step", [step for step in STEPS if "run" in step], ids=lambda step: step["run"].split("\n")[0])
def test_shellcheck_finds_nothing_in_a_command(step: dict[str, Any]) -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    command: list[str | Path] = [shellcheck, "--shell=bash", "--severity=style", "-"]
    done = subprocess.run(command, input=step["run"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_azd_finds_the_app_and_its_hooks() -> None:
    project: dict[str, Any] = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))
    assert project["requiredVersions"] == {"azd": ">= 1.23.5"}, "as docs/deployment.md says"
    service = project["services"]["api"]
    packaging = service.pop("hooks")
    assert service == {"project": ".", "language": "python", "host": "function", "remoteBuild": True}
    assert packaging == {
        "prepackage": {
            "posix": {"shell": "sh", "run": "./infra/scripts/console.sh"},
            "windows": {"shell": "pwsh", "run": "./infra/scripts/console.ps1"},
        }
    }
    assert project["hooks"].keys() == {"preprovision", "postprovision"}
    for event, hook in project["hooks"].items():
        for system, shell, suffix in (("posix", "sh", ".sh"), ("windows", "pwsh", ".ps1")):
            assert hook[system]["shell"] == shell
            assert hook[system]["interactive"], "or what it did is gone from the screen when it ends"
            assert (ROOT / hook[system]["run"]).suffix == suffix
            assert (ROOT / hook[system]["run"]).is_file(), event
        assert os.access(ROOT / hook["posix"]["run"], os.X_OK)
