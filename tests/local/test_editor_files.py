"""What editors and hooks read runs commands that there are."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

import dev
from local.command_line import parse

Json = dict[str, Any]


def read(name: str) -> Json:
    found: Json = json.loads((dev.ROOT / name).read_text("utf-8"))
    return found


def test_tasks_run_commands_of_dev_py() -> None:
    for task in read(".vscode/tasks.json")["tasks"]:
        command = task["command"].removeprefix("python3 dev.py ")
        assert task["windows"]["command"] == f"py dev.py {command}"
        name, *arguments = command.split()
        if name != "test":
            assert parse([name, *arguments]).command == name


def test_the_task_that_starts_the_app_knows_when_it_is_ready() -> None:
    [background] = [task for task in read(".vscode/tasks.json")["tasks"] if task.get("isBackground")]
    patterns = background["problemMatcher"]["background"]
    printed = (dev.ROOT / "local" / "run.py").read_text("utf-8")
    for name in ("beginsPattern", "endsPattern"):
        assert f'say(f"{patterns[name].removeprefix("^")}' in printed


def test_the_container_has_what_dev_py_needs() -> None:
    container = read(".devcontainer/devcontainer.json")
    base = (dev.ROOT / ".devcontainer" / container["build"]["dockerfile"]).read_text("utf-8")
    version = re.search(r"^FROM python:(\d+)\.(\d+)", base, re.MULTILINE)
    assert version
    assert dev.python_problem((int(version[1]), int(version[2]), 0)) is None
    assert {"nodejs", "npm", "git"} <= set(base.split())
    assert container["forwardPorts"][0] == parse(["start"]).port


def test_hooks_before_a_commit_are_those_of_dev_py() -> None:
    hooks = yaml.safe_load((dev.ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"][0]["hooks"]
    modules = [hook["entry"].partition(" -m ")[2] for hook in hooks if " -m " in hook["entry"]]
    checks = [" ".join(part for part in check if not part.startswith((".", "-"))) for check in dev.CHECKS[:3]]
    assert modules == checks
    assert all(Path(hook["entry"].split()[0]).parts[:2] == (".venv", "bin") for hook in hooks)
