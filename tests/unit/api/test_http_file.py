"""docs/api.http: each request is one that the API knows."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema
import pytest

Json = dict[str, Any]
TEXT = (Path(__file__).parents[3] / "docs" / "api.http").read_text("utf-8")
VARIABLES = dict(re.findall(r"^@(\w+) = (.+)$", TEXT, re.MULTILINE))


@dataclass(frozen=True)
class Request:
    title: str
    method: str
    url: str
    headers: dict[str, str]
    body: str


def requests() -> list[Request]:
    found = []
    for part in TEXT.split("\n### ")[1:]:
        head, _, body = part.partition("\n\n")
        title, line, *headers = head.splitlines()
        method, url = line.split(" ", 1)
        found.append(Request(title, method, url, dict(each.split(": ", 1) for each in headers), body.strip()))
    return found


APP = [request for request in requests() if request.url.startswith("{{app}}")]


def test_only_variables_that_are_set_are_used() -> None:
    assert set(re.findall(r"\{\{(\w+)\}\}", TEXT)) == VARIABLES.keys()


@pytest.mark.parametrize("request_", APP, ids=lambda request: request.title)
def test_a_request_is_one_of_the_apis(request_: Request, described: Json) -> None:
    parts = urlsplit(request_.url.removeprefix("{{app}}"))
    if parts.path.startswith("/admin/functions/"):
        return  # the host's, which runs a timer now
    names = {"id": "id", "delivery": "id", "key": "key"}
    path = re.sub(r"\{\{(\w+)\}\}", lambda match: f"{{{names[match[1]]}}}", parts.path)
    operation = described["paths"][path][request_.method.lower()]
    known = {each["name"] for each in operation.get("parameters", ()) if each["in"] in ("query", "header")}
    assert parse_qs(parts.query).keys() <= known
    assert request_.headers.keys() - {"Authorization", "Content-Type"} <= known
    assert ("Authorization" in request_.headers) is bool(operation.get("x-roles"))
    assert bool(request_.body) is ("Content-Type" in request_.headers)
    if request_.body:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        body = re.sub(r"\{\{(\w+)\}\}", lambda match: VARIABLES[match[1]], request_.body)
        jsonschema.Draft202012Validator({**described, **schema}).validate(json.loads(body))
