"""Clients that generators make of `/openapi.json`, used against the running app as a person would."""

import json
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from doubles.hooks import Receivers
from local.issuer import sign_token

from .api import Api
from .conftest import Issuer, MakeSettings, MakeStorage
from .hosting import ROOT, environment, hosting

CLIENTS = Path(__file__).parent / "clients"
NODE_MODULES = ROOT / "node_modules"


@pytest.fixture(scope="module")
def api(make_storage: MakeStorage, make_settings: MakeSettings, issuer: Issuer) -> Iterator[Api]:
    with hosting(make_settings(make_storage())) as host:
        api = Api(host.url, issuer.key)
        yield api
        api.close()


@pytest.fixture
def folder(api: Api, tmp_path: Path) -> Path:
    """Holds the description."""
    described = requests.get(f"{api.base}/openapi.json", timeout=60)  # which holds nulls, as no other answer does
    (tmp_path / "openapi.json").write_bytes(described.content)
    return tmp_path


def run(folder: Path, *command: str, **settings: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment(settings), capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def settings(api: Api, receivers: Receivers, issuer: Issuer) -> dict[str, str]:
    """What a client has to know."""
    return {
        "BASE": api.base,
        "TOKEN": sign_token(issuer.key, ["Point.Admin"]),
        "RECEIVER": receivers.serve().hook().url,
        "KEY": uuid.uuid4().hex,
    }


def use(api: Api, folder: Path, settings: dict[str, str], *client: str) -> None:
    """Has a client register, publish, list with a continuation and ask for what is not there."""
    published: dict[str, Any] = json.loads(run(folder, *client, "publish", **settings))
    endpoint = api.call("GET", f"/v1.0/webhooks/endpoints/{published['endpoint']}").json
    assert endpoint["endpoint"] == settings["RECEIVER"]
    assert endpoint["auth"] == {"type": "headers", "headerNames": ["X-Api-Key"]}
    assert published["state"] == "healthy"
    keys = [f"{settings['KEY']}-{number}" for number in (1, 2, 3)]
    assert published["accepted"] == [[key, 1, False] for key in keys]
    for key in keys:
        api.ended(api.delivery_id(key, endpoint), "delivered")

    found: dict[str, Any] = json.loads(run(folder, *client, "list", endpoint["id"], **settings))
    assert (sorted(found["listed"]), found["pages"]) == (keys, 2)
    status, kind, detail = found["problem"]
    assert (status, kind) == (404, "urn:tenant-hooks:problem:not-found")
    assert detail.startswith("There is no endpoint with this id")
    api.call("DELETE", f"/v1.0/webhooks/endpoints/{endpoint['id']}", expect=204)


def test_a_client_of_openapi_typescript_compiles_and_works(api: Api, folder: Path, settings: dict[str, str]) -> None:
    node = shutil.which("node") or "node"
    generator = NODE_MODULES / "openapi-typescript" / "bin" / "cli.js"
    run(folder, node, str(generator), "openapi.json", "--output", "schema.d.ts")
    shutil.copy(CLIENTS / "client.ts", folder)
    options = {
        "strict": True,
        "noUncheckedIndexedAccess": True,
        "target": "es2022",
        "module": "commonjs",
        "moduleResolution": "node10",
        "lib": ["es2022", "dom"],
        "types": ["node"],
        "typeRoots": [str(NODE_MODULES / "@types")],
        "paths": {"openapi-fetch": [str(NODE_MODULES / "openapi-fetch")]},
    }
    (folder / "tsconfig.json").write_text(
        json.dumps({"compilerOptions": options, "files": ["client.ts"]}), encoding="utf-8"
    )
    run(folder, node, str(NODE_MODULES / "typescript" / "bin" / "tsc"))
    use(api, folder, {**settings, "NODE_PATH": str(NODE_MODULES)}, node, "client.js")


def test_a_client_of_openapi_python_client_works(api: Api, folder: Path, settings: dict[str, str]) -> None:
    (folder / "config.yml").write_text("post_hooks: []\n", encoding="utf-8")
    generate = [sys.executable, "-m", "openapi_python_client", "generate", "--path", "openapi.json"]
    run(folder, *generate, "--meta", "none", "--output-path", "generated", "--config", "config.yml", PYTHONUTF8="1")
    shutil.copy(CLIENTS / "client.py", folder)
    use(api, folder, settings, sys.executable, "client.py")
