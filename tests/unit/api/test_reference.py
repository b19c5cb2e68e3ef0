"""The console's reference of the API, for each operation of the description: commands that shells can read, with bodies
that the API takes, and words for every member."""

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from grammars import powershell_faults

Json = dict[str, Any]
TELLING = Path(__file__).with_name("reference_told.mjs")


@pytest.fixture(scope="module")
def told(described: Json) -> list[Json]:
    done = subprocess.run(
        ["node", str(TELLING)], input=json.dumps(described), capture_output=True, encoding="utf-8", check=True
    )
    found: list[Json] = json.loads(done.stdout)
    return found


def test_it_has_every_operation(told: list[Json], described: Json) -> None:
    expected = [(method.upper(), path) for path, methods in described["paths"].items() for method in methods]
    assert [(each["method"], each["path"]) for each in told] == expected


def test_each_command_of_bash_is_the_call(told: list[Json], described: Json) -> None:
    for each in told:
        words = shlex.split(each["bash"])
        assert words[:2] == ["curl", "-sS"]
        path = each["path"].replace("{", "<").replace("}", ">")
        assert f"$app{path}" in words
        assert ("$auth" in words) is bool(each["roles"])
        body = words[words.index("-d") + 1] if "-d" in words else None
        assert (body is not None) is bool(each.get("body"))
        method = words[words.index("-X") + 1] if "-X" in words else "POST" if body else "GET"
        assert method == each["method"]
        if body:
            jsonschema.Draft202012Validator({**described, **each["body"]["schema"]}).validate(json.loads(body))


def test_each_command_of_powershell_is_the_same_call(told: list[Json]) -> None:
    for each in told:
        line = each["powershell"]
        assert powershell_faults(line) == [], line
        assert (f"-Method {each['method'].title()}" in line) is (each["method"] != "GET")
        assert ("-Headers $auth" in line) is bool(each["roles"])
        if each.get("body"):
            assert json.loads(line.partition("-Body @'\n")[2].removesuffix("\n'@")) == each["body"]["example"]


def members(shapes: list[Json]) -> Iterator[Json]:
    for shape in shapes:
        for member in shape["members"]:
            yield member
            yield from members(member["inner"])


def test_every_value_has_a_kind_and_bounds_in_words(told: list[Json]) -> None:
    for each in told:
        of_bodies = [shapes for shapes in [each.get("takes"), *each["returns"]] if shapes]
        values = [*each["query"], *(member for one in of_bodies for member in members(one["shapes"]))]
        for value in values:
            assert value["kind"], (each["id"], value)
            assert not [
                words for words in [value["kind"], *value["bounds"]] if "undefined" in words or "[object" in words
            ]


def test_an_alternative_is_told_once_and_each_with_its_members(told: list[Json]) -> None:
    by_id = {each["id"]: each for each in told}
    publishing = by_id["eventPublish"]["takes"]
    assert publishing["kind"] == "object or list of objects"
    assert [shape["name"] for shape in publishing["shapes"]] == ["EventBody"]
    [page, *_] = by_id["deliveryList"]["returns"]
    [value, _] = page["shapes"][0]["members"]
    assert (value["name"], [shape["name"] for shape in value["inner"]]) == ("value", ["Delivery", "MalformedMessage"])


def test_bounds_are_words_that_people_read(told: list[Json]) -> None:
    template = next(each for each in told if each["id"] == "templatePut")["takes"]["shapes"][0]["members"]
    bounds = {member["name"]: member["bounds"] for member in template}
    assert bounds["name"] == ["1 to 200 characters"]
    assert bounds["prefix"] == ["at most 64 characters", "default empty"]
    assert bounds["owners"] == ["at most 20 of them", "default none"]
    assert bounds["language"] == ["1025 to 99999", "default 1033"]
    assert bounds["kind"] == ["one of teams, groups, sites, yammer"]
