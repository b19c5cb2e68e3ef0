"""What is wrong with a value is told in words for its sender, by paths that are in what was sent."""

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from shared.api import alerts, endpoints, events, previews, provisioning_views, subscriptions, usage
from shared.api.endpoint_bodies import EndpointChanges, Registration
from shared.api.endpoint_replays import ReplayRequest
from shared.api.options import Rotation
from shared.formats import FORMATS
from shared.model import Model
from shared.model.auth import AuthBody
from shared.model.base import Whole
from shared.model.catalogue import CATALOGUE, content_errors, publish_problem, type_problem
from shared.model.nearest import did_you_mean
from shared.model.validation import Shaped, clauses
from shared.storage.messages import Message

PYTHON = re.compile(
    r"tuple|dict|instance|valid (string|integer|number|list|boolean|dictionary)|[Ss]hould|[Ii]nput|after validation|"
    r"match pattern|\^\[|discriminator|tag |union|literal|None|True|False|Traceback|is not taken here"
)
SAYS = re.compile(r"must |is required|is not known here|is not JSON|give |at most |cannot |has more than |no ")
ODD: list[Any] = [
    *(None, True, 0, -1, 7.5, float("nan"), float("inf"), 1e300, 10**30, -(10**30)),
    *("", " ", "x", "é\n", "x" * 70_000, "2026-13-45T99:00:00Z", "{{", "none"),
    *([], [1], [None], [[]], ["x"] * 200, ["", "x"], {}, {"a": 1}, {"type": "x"}, {"x": {"y": [1]}}),
    *({"type": "basic"}, {"type": "basic", "username": 1, "password": []}, {"type": "headers", "headers": {"a b": 1}}),
]
KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        Registration,
        EndpointChanges,
        subscriptions.SubscriptionRequest,
        subscriptions.FamilySubscriptionRequest,
        endpoints.UrlOnly,
        endpoints.TestRequest,
        ReplayRequest,
        Rotation,
        events.EventBody,
        usage.ThresholdsBody,
        alerts.AlertFilter,
        alerts.Acknowledgement,
        previews.PreviewRequest,
        provisioning_views.WorkspaceBody,
        provisioning_views.TemplateBody,
        Message,
    )
}
KINDS |= {f"settings of {name}": each.settings for name, each in FORMATS.items() if each.settings is not None}
KINDS |= {f"content of {name}": each.content for name, each in CATALOGUE.items()}


def numbers_of(kind: type[BaseModel]) -> dict[str, bool]:
    """The members that are a number by the published schema, and whether they are a list of numbers."""
    found = {}
    for name, schema in kind.model_json_schema(by_alias=True).get("properties", {}).items():
        for each in schema.get("anyOf", [schema]):
            inner = each.get("items", each)
            if inner.get("type") in ("number", "integer"):
                found[name] = inner is not each
    return found


BODIES = {name: kind for name, kind in KINDS.items() if " of " not in name and kind is not Message}
NUMBERS = {name: found for name, kind in BODIES.items() if (found := numbers_of(kind))}


def wrong(kind: Any, given: Any, *where: str) -> list[str]:
    try:
        TypeAdapter(kind).validate_python(given)
    except ValidationError as error:
        return clauses(error, kind, given, *where)
    return []


def nested(value: Any) -> Iterator[Any]:
    """A value in an object, in a list, and in an object within a list."""
    yield value
    yield [value]
    yield [{"site": value, "thresholds": value, "threshold": value, "severity": value}]
    yield {"id": value, "timeStamp": value, "idempotencyKey": value, "displayName": value}


@pytest.mark.parametrize("name", KINDS)
def test_no_model_speaks_python(name: str) -> None:
    kind: type[BaseModel] = KINDS[name]
    found = 0
    for member in [*(field.alias or member for member, field in kind.model_fields.items()), "unheardOf"]:
        for odd in ODD:
            for value in nested(odd):
                for clause in wrong(kind, {member: value}):
                    found += 1
                    path, _, said = clause.partition(": ") if re.match(r"\S+: ", clause) else ("", "", clause)
                    assert not PYTHON.search(said), clause
                    assert SAYS.search(said), clause
                    assert "x" * 300 not in clause, "values are not shown"
                    assert exists(path, {member: value}) or said == "is required", clause
    assert found > 20


def exists(path: str, value: Any) -> bool:
    """Whether a path leads to something in the value; names may have dots in them."""
    if not path:
        return True
    if isinstance(value, dict):
        return any(
            exists(path.removeprefix(str(name)).removeprefix("."), inner)
            for name, inner in value.items()
            if path == str(name) or path.startswith(f"{name}.")
        )
    if isinstance(value, list | tuple):
        number, _, rest = path.partition(".")
        return number.isdigit() and int(number) < len(value) and exists(rest, value[int(number)])
    return False


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        (Registration, {"endpoint": "x", "types": 5}, ["types: must be a list"]),
        (Registration, {"endpoint": "x", "types": []}, ["types: must not be empty"]),
        (Registration, {"endpoint": "x", "auth": {"type": "basic", "username": "u"}}, ["auth.password: is required"]),
        (
            Registration,
            {"endpoint": "x", "auth": {"type": "bearer"}},
            ["auth: type must be one of none, headers, basic, entra"],
        ),
        (
            Registration,
            {"endpoint": "x", "auth": {"type": "Basic"}},
            ["auth: type must be one of none, headers, basic, entra: did you mean 'basic'?"],
        ),
        (Registration, {"endpoint": "x", "types": [["*"]]}, ["types.0: must be text"]),
        (Registration, {"endpoint": "x", "auth": {}}, ["auth: must be an object that says its type"]),
        (
            Registration,
            {"endpoint": "x", "minSeverty": "low"},
            ["minSeverty: is not known here: did you mean 'minSeverity'?"],
        ),
        (
            Registration,
            {"endpoint": "x", "minSeverity": "hihg"},
            ["minSeverity: must be one of low, medium, high, critical: did you mean 'high'?"],
        ),
        (events.EventBody, {"type": "custom.x", "content": {}, "tenant": "contoso"}, ["tenant: must be an object"]),
        (
            events.EventBody,
            {"type": "custom.x", "content": {}, "meta": {"idempotencyKey": "a b"}},
            ["meta.idempotencyKey: must be 1 to 128 letters, digits and the signs _ : -"],
        ),
        (
            events.EventBody,
            {"type": "custom.x", "content": {}, "meta": {"idempotencyKey": "webhook:x"}},
            [
                "meta.idempotencyKey: must not begin with storage:, sharing:, provisioning:, webhook: or test-, as the "
                "keys of the app's own events do"
            ],
        ),
        (
            events.EventBody,
            {"type": "custom.x", "content": {}, "meta": {"timestamp": "x"}},
            ["meta.timestamp: is not known here: did you mean 'timeStamp'?"],
        ),
        (FORMATS["connectwise"].settings, {"company": [1]}, ["company: must be a whole number, or must be text"]),
        (
            FORMATS["jira"].settings,
            {"projectKye": "OPS"},
            ["projectKye: is not known here: did you mean 'projectKey'?"],
        ),
        (AuthBody, {"type": "headers", "headers": {"X": 5}}, ["headers.X: must be text"]),
    ],
)
def test_the_likeliest_mistakes_are_told_in_words(kind: Any, given: Any, said: list[str]) -> None:
    assert wrong(kind, given) == said


def test_where_goes_before_the_path() -> None:
    assert wrong(AuthBody, {"type": "headers"}, "auth") == ["auth.headers: is required"]


def test_the_text_of_json_will_do_and_so_will_what_is_none() -> None:
    class Thing(Model):
        name: str

    for text, said in (
        ('{"name": 5}', "body.name: must be text"),
        ("hello", "body: is not JSON"),
        ("[" * 9**5, "body: is not JSON"),
    ):
        with pytest.raises(ValidationError) as refused:
            Thing.model_validate_json(text)
        assert clauses(refused.value, Thing, text, "body") == [said]


def test_one_type_may_stand_without_its_list() -> None:
    assert Registration(endpoint="x", types="*").types == ("*",)
    assert wrong(Registration, {"endpoint": "x", "types": "storage.threshold_exceded"}) == [
        f"types: {type_problem('storage.threshold_exceded')}"
    ]


def test_a_type_that_is_nearly_one_is_recognised() -> None:
    assert "did you mean 'ProvisioningFailed'?" in str(type_problem("provisioningfailed"))
    assert "did you mean 'storage.*'?" in str(type_problem("storages.*"))
    assert "did you mean 'permission.granted'?" in str(publish_problem("permision.granted", "caller"))
    assert "did you mean" not in str(type_problem("nothing"))
    assert "did you mean" not in str(publish_problem("webhok.endpoint_disabled", "caller"))


def test_the_nearest_word_is_meant_whatever_its_case() -> None:
    assert did_you_mean("TYPES", ["types", "top"]) == ": did you mean 'types'?"
    assert did_you_mean("tpyes", ["types", "top"], "take one") == ": did you mean 'types'? Otherwise take one"
    assert did_you_mean("colour", ["types", "top"], "take one") == ": take one"
    assert did_you_mean("colour", []) == ""


def test_a_whole_number_may_be_written_as_a_float() -> None:
    """JSON Schema's `integer` takes 5.0, and programs that know one kind of number write it."""

    class Thing(Model):
        count: Annotated[int, Field(strict=True, ge=0), Whole]
        kind: Literal["x"] = "x"
        word: Annotated[str, Shaped("[a-z]+", "must be small letters")] = "x"

    assert json.loads(Thing(count=5.0).model_dump_json())["count"] == 5
    assert str(Thing.model_validate({"count": 1e2}).count) == "100"
    for value in (5.5, "5", True, float("nan"), float("inf")):
        assert wrong(Thing, {"count": value}) == ["count: must be a whole number"]
    assert wrong(Thing, {"count": 1, "word": "X"}) == ["word: must be small letters"]
    assert Thing.model_json_schema()["properties"]["word"]["pattern"] == "^[a-z]+$"


@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_a_number_is_neither_text_nor_a_truth_value(name: str) -> None:
    """The published schemas say so, and programs of other languages would write "1_0" for nothing else than text."""
    kind: type[BaseModel] = KINDS[name]
    for member, is_list in NUMBERS[name].items():
        for odd in ("5", "1_0", " 5", True):
            found = wrong(kind, {member: [odd] if is_list else odd})
            assert any(each.startswith(f"{member}{'.0' * is_list}: must be a ") for each in found), (member, odd, found)


@pytest.mark.parametrize("name", KINDS)
def test_a_published_schema_speaks_json_schema(name: str) -> None:
    """Pydantic writes a limit that it cannot place as `ge`, which no reader of schemas knows."""
    text = json.dumps(TypeAdapter(KINDS[name]).json_schema())
    assert not re.search(r'"(ge|gt|le|lt|multiple_of)":', text)


def test_what_the_published_schema_takes_is_taken() -> None:
    sample = CATALOGUE["storage.threshold_exceeded"].sample
    whole = {"currentUsage": 5.0, "quota": 1e13}
    assert content_errors("storage.threshold_exceeded", {**sample, **whole}) == []
    size = {name: value for name, value in sample.items() if name != "threshold"} | {"thresholdBytes": 500.0}
    assert content_errors("storage.threshold_exceeded", size) == []
    both = [*content_errors("storage.threshold_exceeded", {**sample, "thresholdBytes": 500})]
    assert both == ["content: give threshold (percent) or thresholdBytes, one of them"]


@pytest.mark.parametrize(
    "name", ["custom.*.x", "custom.f ", "custom. f", "custom.", "custom.a*", "custom.*.*", "custom..*x"]
)
def test_a_pattern_that_can_match_nothing_is_refused(name: str) -> None:
    assert "without '*', and without space at its ends" in str(type_problem(name))
    assert publish_problem(name, "caller") is not None


@pytest.mark.parametrize("name", ["custom.*", "custom.x", "custom.x.*", "custom.x.y.*", "custom.my event", "custom.é"])
def test_types_of_ones_own_and_their_prefixes_are_taken(name: str) -> None:
    assert type_problem(name) is None
    assert (publish_problem(name, "caller") is None) is not name.endswith("*")
