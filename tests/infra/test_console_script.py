"""The hook before packaging: the console's libraries, checked, or left out, or what is missing."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs bash")
SCRIPTS = ("console.sh", "console.mjs", "console-files.json")
PACKAGES = [
    f"{name}@{version}"
    for name, version in json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["dependencies"].items()
    if name in ("@azure/msal-browser", "lit-html")
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clone in which npm has installed what the console needs."""
    (tmp_path / "infra/scripts").mkdir(parents=True)
    for name in SCRIPTS:
        shutil.copy(ROOT / "infra/scripts" / name, tmp_path / "infra/scripts" / name)
    shutil.copy(ROOT / "package.json", tmp_path / "package.json")
    for each in json.loads((ROOT / "infra/scripts/console-files.json").read_text(encoding="utf-8")):
        target = tmp_path / "node_modules" / each["from"]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "node_modules" / each["from"], target)
    return tmp_path


def run(project: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    outside = {"PATH": os.environ["PATH"], "HOME": str(project), **environment}
    command = [str(project / "infra/scripts/console.sh")]
    return subprocess.run(command, env=outside, capture_output=True, text=True)


def vendor(project: Path) -> set[str]:
    return {path.name for path in (project / "shared/console/vendor").glob("*")}


def test_the_libraries_are_copied_with_their_licences(project: Path) -> None:
    done = run(project)
    assert done.returncode == 0, done.stderr
    assert vendor(project) == {
        *("lit-html.js", "lit-html.LICENSE.txt", "msal-browser.min.js", "msal-browser.LICENSE.txt")
    }


def test_a_library_that_is_another_is_not_copied(project: Path) -> None:
    (project / "node_modules/lit-html/lit-html.js").write_text("alert(1)")
    done = subprocess.run(["node", "infra/scripts/console.mjs"], cwd=project, capture_output=True, text=True)
    assert done.returncode == 1
    assert "lit-html/lit-html.js is not the file that console-files.json names" in done.stderr
    assert vendor(project) == set()


def test_what_npm_has_not_installed_is_named(project: Path) -> None:
    (project / "node_modules/lit-html/lit-html.js").unlink()
    done = subprocess.run(["node", "infra/scripts/console.mjs"], cwd=project, capture_output=True, text=True)
    assert done.returncode == 1
    assert "infra/scripts/console.sh" in done.stderr


def test_what_is_missing_is_fetched_and_nothing_else(project: Path, tmp_path: Path) -> None:
    """By an npm that installs what it is asked for: a clone's own node_modules stay as they are."""
    shutil.copytree(project / "node_modules", tmp_path / "registry")
    shutil.rmtree(project / "node_modules")
    tools = tmp_path / "tools"
    tools.mkdir()
    npm = tools / "npm"
    npm.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nmkdir -p "$3"\ncp -r {tmp_path}/registry "$3/node_modules"\n'
    )
    npm.chmod(0o755)
    done = run(project, PATH=f"{tools}:{os.environ['PATH']}")
    assert done.returncode == 0, done.stderr
    assert len(vendor(project)) == 4
    assert (tmp_path / "asked").read_text().split()[-2:] == PACKAGES
    assert not (project / "node_modules").exists()


def test_a_deployment_can_do_without_the_console(project: Path) -> None:
    run(project)
    done = run(project, CONSOLE="false", PATH="/usr/bin:/bin")
    assert (done.returncode, vendor(project)) == (0, set())
    assert "left out" in done.stdout


def test_without_node_it_says_what_to_do(project: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "env", "dirname"):
        (tools / name).symlink_to(shutil.which(name) or name)
    done = run(project, PATH=str(tools))
    assert done.returncode == 1
    assert "azd env set CONSOLE false" in done.stderr
