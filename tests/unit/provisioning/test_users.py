"""Which texts name a user, and what is taken for one."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.api.http.call import validated
from shared.api.http.problem import Problem
from shared.api.provisioning_views import WorkspaceBody
from shared.m365.exchange import Answer
from shared.model.provisioning import USER
from shared.provisioning.microsoft import Ask, Microsoft
from shared.provisioning.users import UserProblem, find_user
from shared.storage.workspaces import User

OBJECT_ID = "235ec2cb-0767-40b3-a1de-4da2c42b19e9"
NO_USERS = [" ", ".", "..", "delta", "mia", "a b@contoso.com", "mia@contoso", "../x@contoso.com", "%2e%2e@contoso.com",
            "mia@contoso.com/manager", "mia@@contoso.com", "mia\x00@contoso.com", f"{OBJECT_ID}/manager"]  # fmt: skip
USERS = ["mia@contoso.com", " mia@contoso.com ", "o'hara+x@mail.contoso.co.uk", "gus_fabrikam.com#EXT#@contoso.com",
         "jürgen@köln.example", OBJECT_ID, OBJECT_ID.upper()]  # fmt: skip


class Graph:
    """Gives the same answer to everything, and keeps what it was asked."""

    base_url = "https://graph.microsoft.com"

    def __init__(self, value: Mapping[str, Any]) -> None:
        self.value = value
        self.asked: list[str] = []

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        self.asked.append(path)
        return Answer(200, self.value)


def find(graph: Graph, address: str) -> object:
    return find_user(Ask(Microsoft(graph, lambda _: graph), datetime.now(UTC)), address, as_owner=True)


def body(**users: list[str]) -> dict[str, Any]:
    return {"templateId": "teams", "displayName": "Quay", **users}


@pytest.mark.parametrize("field", ["owners", "members"])
@pytest.mark.parametrize("given", NO_USERS)
def test_what_cannot_name_a_user_is_refused_in_words(given: str, field: str) -> None:
    with pytest.raises(Problem) as refused:
        validated(WorkspaceBody, body(**{field: ["mia@contoso.com", given]}))
    assert str(refused.value) == f"{field}.1: must be {USER}"


@pytest.mark.parametrize("given", USERS)
def test_names_mail_addresses_and_object_ids_are_taken(given: str) -> None:
    assert validated(WorkspaceBody, body(owners=[given])).owners == (given,)


@pytest.mark.parametrize("given", ["", *NO_USERS])
def test_graph_is_not_asked_for_what_would_be_another_of_its_paths(given: str) -> None:
    graph = Graph({"id": "1"})
    assert find(graph, given) == UserProblem(f"is not {USER}")
    assert graph.asked == []


@pytest.mark.parametrize("value", [{}, {"id": None}, {"value": [{"id": "1"}]}, {"userPrincipalName": "mia"}])
def test_an_answer_without_an_id_is_no_user(value: dict[str, Any]) -> None:
    assert isinstance(find(Graph(value), "mia@contoso.com"), UserProblem)


def test_a_user_is_known_by_the_id_of_the_answer() -> None:
    found = find(Graph({"id": "1", "userPrincipalName": "mia@contoso.com"}), "mia@contoso.com")
    assert found == User(id="1", name="mia@contoso.com", given="mia@contoso.com")
