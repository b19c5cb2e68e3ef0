"""What the official SDKs for CloudEvents make of every kind of event: they are stricter than the specification."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event

from doubles.format_events import make, sample_of
from shared.model import Event
from shared.model.catalogue import CATALOGUE

ROOT = Path(__file__).parents[3]
TIMES = ["2023-10-05T14:48:00", "2023-10-05T14:48Z", "2023-10-05T14:48:00.1234567-08:00", "2024-02-29T23:59:59+05:30"]
EVENTS = [*map(sample_of, [*CATALOGUE, "custom.guest.expired"])] + [
    sample_of("custom.guest.expired", time_stamp=time, tenant=None) for time in TIMES
]
READER = """
const { HTTP } = require("cloudevents");
const deliveries = JSON.parse(require("fs").readFileSync(0, "utf8"));
const read = ({ type, body }) => HTTP.toEvent({ headers: { "content-type": type }, body });
console.log(JSON.stringify(deliveries.map(read)));
"""


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: f"{event.type}-{event.time_stamp}")
def test_the_sdk_for_python_reads_it(event: Event) -> None:
    content_type, body = make("cloudevents", event)
    read = from_http_event(HTTPMessage({"content-type": content_type}, body))
    assert read.get_type() == f"com.contoso.{event.type}"
    assert read.get_data() == json.loads(event.content)


def test_the_sdk_for_node_reads_them_all() -> None:
    made = [make("cloudevents", event) for event in EVENTS]
    given = json.dumps([{"type": content_type, "body": body.decode()} for content_type, body in made])
    command = [shutil.which("node") or "node", "-e", READER]
    read = subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True, check=False)
    assert read.returncode == 0, read.stderr
    assert [each["data"] for each in json.loads(read.stdout)] == [json.loads(event.content) for event in EVENTS]
