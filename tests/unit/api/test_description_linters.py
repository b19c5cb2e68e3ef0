"""`/openapi.json` as the readers of other people judge it: swagger-parser, Redocly CLI and Spectral, from npm."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
NODE_MODULES = ROOT / "node_modules"
PARSE = """
const parser = require("@apidevtools/swagger-parser");
(parser.default ?? parser).validate("openapi.json").then(
  () => console.log("valid"),
  (error) => { console.error(error.message); process.exitCode = 1; },
);
"""


@pytest.fixture
def folder(described: dict[str, Any], tmp_path: Path) -> Path:
    (tmp_path / "openapi.json").write_text(json.dumps(described), encoding="utf-8")
    return tmp_path


def run(folder: Path, *command: str) -> str:
    quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    done = subprocess.run(
        [shutil.which("node") or "node", *command],
        cwd=folder,
        env={**os.environ, **quiet, "NODE_PATH": str(NODE_MODULES)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_swagger_parser_takes_it(folder: Path) -> None:
    (folder / "parse.cjs").write_text(PARSE, encoding="utf-8")
    assert "valid" in run(folder, "parse.cjs")


def test_redocly_finds_no_error(folder: Path) -> None:
    linter = NODE_MODULES / "@redocly" / "cli" / "bin" / "cli.js"
    said = run(folder, str(linter), "lint", "openapi.json", "--extends", "recommended", "--format", "json")
    found = json.loads(said[said.index("{") : said.rindex("}") + 1])
    assert found["totals"]["errors"] == 0
    assert {problem["ruleId"] for problem in found["problems"]} <= {"operation-4xx-response"}


def test_spectral_finds_no_error(folder: Path) -> None:
    (folder / "spectral.json").write_text(json.dumps({"extends": ["spectral:oas"]}), encoding="utf-8")
    linter = NODE_MODULES / "@stoplight" / "spectral-cli" / "dist" / "index.js"
    said = run(folder, str(linter), "lint", "openapi.json", "--ruleset", "spectral.json", "--format", "json", "--quiet")
    found = json.loads(said[said.index("[") : said.rindex("]") + 1])
    assert {problem["code"] for problem in found} <= {"info-contact"}, "every deployment has a contact of its own"
