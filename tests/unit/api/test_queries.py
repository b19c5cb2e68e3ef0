"""Query parameters that an operation does not read are refused: a misspelt `types` once subscribed to everything."""

from typing import Any

import azure.functions as func
import pytest

from shared.api import newest, subscriptions
from shared.api.http.operation import operation_of
from shared.api.http.problem import Problem
from shared.api.http.queries import check_query
from shared.api.http.routing import Route

URL = "https://hooks.example/v1.0/webhooks/subscriptions"


def said(query: str, handler: Any = subscriptions.create, **params: str) -> str:
    raw = func.HttpRequest("POST", f"{URL}?{query}", params=params, body=b"")
    with pytest.raises(Problem) as refused:
        check_query(raw, operation_of(handler))
    assert refused.value.status == 400
    return str(refused.value)


@pytest.mark.parametrize("query", ["types=", "eventType=", "types", "types=&eventType=custom.x"])
def test_an_empty_one_is_refused_though_the_host_drops_it(query: str) -> None:
    assert said(query).endswith("is empty: give it a value, or leave it out")


@pytest.mark.parametrize(
    "query", ["type=custom.x&type=custom.y", "type=custom.x&%74ype=custom.x", "top=5&type=a&top=5"]
)
def test_one_that_is_given_twice_is_refused(query: str) -> None:
    """The host makes `custom.x,custom.y` of it, which is the type of no event: an empty list was all that it told."""
    assert said(query, newest.list_events).endswith("= is given twice: give it once")


def test_a_list_may_be_given_as_one_parameter_several_times() -> None:
    """The host makes `custom.x,custom.y` of it, which is the list."""
    query = "types=custom.x&types=custom.y"
    raw = func.HttpRequest("POST", f"https://app.example/?{query}", params={"types": "custom.x,custom.y"}, body=b"")
    check_query(raw, operation_of(subscriptions.create))


def test_one_that_is_empty_and_given_is_empty() -> None:
    """The host hands over the other one."""
    assert said("type=&type=custom.x", newest.list_events, type="custom.x").startswith("?type= is empty")


@pytest.mark.parametrize("name", ["Types", "type", "typs", "TYPES"])
def test_a_misspelt_one_is_refused_with_the_one_that_was_meant(name: str) -> None:
    assert said(f"{name}=custom.x") == (
        f"?{name}= is not known here (this operation takes types, eventType): did you mean 'types'?"
    )


def test_one_that_is_like_no_other_is_refused_with_all_there_are() -> None:
    assert said("zone=1") == "?zone= is not known here (this operation takes types, eventType)"
    assert said("x=1", subscriptions.get) == "?x= is not known here (this operation takes no query)"


def test_what_only_the_host_hands_over_counts_too() -> None:
    assert said("", Types="custom.x").startswith("?Types= is not known here")


def test_a_value_is_not_shown() -> None:
    assert "b3Zl" not in said("sig=b3Zl")
    assert len(said("n" * 5000 + "=1")) < 200


def test_every_operation_takes_its_own_and_no_other(routes: list[Route]) -> None:
    for route in routes:
        told = operation_of(route.handler)
        known = [each["name"] for each in told.parameters if each["in"] == "query"]
        check_query(func.HttpRequest("GET", f"{URL}?{'&'.join(f'{name}=x' for name in known)}", body=b""), told)
        with pytest.raises(Problem):
            check_query(func.HttpRequest("GET", f"{URL}?unknown=x", body=b""), told)
