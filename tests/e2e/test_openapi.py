"""The API is what its description says: schemathesis sends the running app valid and invalid data.

By hand, other cases at each run, and more of them than the suite has time for:
SCHEMATHESIS_OPTIONS="--max-examples=100" pytest tests/e2e/test_openapi.py -s
"""

import json
import os
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from doubles.hooks import Receivers
from local.issuer import sign_token
from shared.model.provisioning import KINDS

from .api import Api, custom
from .conftest import Issuer, MakeGraph, MakeSettings, MakeStorage
from .hosting import ROOT, environment, hosting

CONFIG = ROOT / "tests" / "e2e" / "schemathesis.toml"
OPTIONS = os.environ.get("SCHEMATHESIS_OPTIONS", "--max-examples=1 --generation-deterministic")


@pytest.fixture
def api(make_storage: MakeStorage, make_settings: MakeSettings, issuer: Issuer, make_graph: MakeGraph) -> Iterator[Api]:
    """An app of its own, which calls nobody but this machine: generated endpoints get every event of the app."""
    local = {"ALLOWED_ENDPOINT_HOSTS": "127.0.0.1", "RETRY_DELAYS": "1", **make_graph().settings}
    with hosting(make_settings(make_storage(), **local)) as host:
        api = Api(host.url, issuer.key)
        yield api
        api.close()


@pytest.mark.timeout(3600)
def test_the_running_app_is_what_its_description_says(
    api: Api, receivers: Receivers, issuer: Issuer, tmp_path: Path
) -> None:
    receiver = receivers.serve()
    endpoints = [api.register(receiver.hook(status).url, "*") for status in (200, 200, 200, 500, 410)]
    accepted = api.publish([custom() for _ in range(5)])
    events = [api.event(each["idempotencyKey"]) for each in accepted]
    deliveries = [delivery["id"] for event in events for delivery in event["deliveries"]]
    known = {
        "ENDPOINT_URLS": json.dumps([each["endpoint"] for each in endpoints]),
        "ENDPOINT_IDS": json.dumps([each["id"] for each in endpoints]),
        "EVENT_KEYS": json.dumps([event["meta"]["idempotencyKey"] for event in events]),
        "DELIVERY_IDS": json.dumps(deliveries),
        "REQUEST_IDS": json.dumps([_requested(api, kind) for kind in KINDS]),
        "TEMPLATE_IDS": json.dumps(KINDS),
    }
    config = tmp_path / "schemathesis.toml"
    config.write_text(string.Template(CONFIG.read_text(encoding="utf-8")).safe_substitute(known), encoding="utf-8")
    command = [sys.executable, "-m", "schemathesis.cli", "--no-color", "run", f"{api.base}/openapi.json"]
    command += ["--continue-on-failure", "--no-shrink", *OPTIONS.split()]
    settings = environment({"TOKEN": sign_token(issuer.key, ["Point.Admin"])})
    run = subprocess.run(command, cwd=tmp_path, env=settings, capture_output=True, encoding="utf-8", check=False)
    print(run.stdout)
    assert run.returncode == 0, run.stdout + run.stderr


def _requested(api: Api, kind: str) -> str:
    """The id of a request for a workspace, by a template of the kind's own name."""
    api.call("PUT", f"/v1.0/provision/templates/{kind}", {"name": kind, "kind": kind})
    body = {"templateId": kind, "displayName": f"Quay {kind}", "owners": ["mia@contoso.example"]}
    return str(api.call("POST", f"/v1.0/provision/{kind}", body, expect=202).json["requestId"])
