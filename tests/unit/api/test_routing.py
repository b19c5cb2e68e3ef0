"""HTTP functions: nothing reaches a handler without its role, and whatever goes wrong is a problem (RFC 9457)."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest
from cryptography.fernet import Fernet

from shared.api.http import routing as routes_module
from shared.api.http.auth import Role
from shared.api.http.call import Request, Response
from shared.api.http.problem import PREFIX, TITLES, Problem, bad_request, conflict, not_found
from shared.api.http.routing import Routes, serve
from shared.settings import SettingsError, read_settings
from shared.storage.clients import StorageUnavailable

SETTINGS = read_settings(
    {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "SECRETS_KEY": Fernet.generate_key().decode()}
)


@pytest.fixture(autouse=True)
def _an_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes_module, "get_app", lambda: SimpleNamespace(settings=SETTINGS))


def request(method: str = "GET", path: str = "", **headers: str) -> func.HttpRequest:
    return func.HttpRequest(method, "/" + path, headers=headers, route_params={"path": path}, body=b"")


def problem_of(response: func.HttpResponse) -> dict[str, Any]:
    assert response.mimetype == "application/problem+json"
    body: dict[str, Any] = json.loads(response.get_body())
    assert body["status"] == response.status_code
    assert body["type"].removeprefix(PREFIX) in TITLES
    assert body["title"] == TITLES[body["type"].removeprefix(PREFIX)]
    return body


def test_an_open_route_answers_anybody() -> None:
    response = serve(request(), (), lambda call: Response(200, {"caller": str(call.caller)}))
    assert (response.status_code, json.loads(response.get_body())) == (200, {"caller": "- through -"})


@pytest.mark.parametrize("role", Role)
def test_no_handler_runs_without_a_token_or_with_empty_configuration(role: Role) -> None:
    ran: list[Request] = []

    def handler(call: Request) -> Response:
        ran.append(call)
        return Response(200)

    principal = {"x-ms-client-principal": "eyJyb2xlcyI6WyJQb2ludC5BZG1pbiJdfQ==", "x-ms-client-principal-id": "me"}
    for headers in ({}, principal, {"authorization": "Bearer x.y.z"}, {"x-functions-key": "x"}):
        response = serve(request(**headers), (role,), handler)
        assert problem_of(response)["status"] == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert ran == []


def raising(error: Exception) -> func.HttpResponse:
    def handler(call: Request) -> Response:
        raise error

    return serve(request(), (), handler)


def test_a_problem_is_answered_with_its_members_and_headers() -> None:
    body = problem_of(raising(not_found("no such endpoint", message="no such endpoint")))
    assert (body["status"], body["detail"], body["message"]) == (404, "no such endpoint", "no such endpoint")
    response = raising(Problem(405, "method-not-allowed", "no", headers={"Allow": "GET"}))
    assert response.headers["Allow"] == "GET"
    assert problem_of(raising(bad_request("wrong", errors=["a", "b"])))["errors"] == ["a", "b"]
    assert problem_of(raising(conflict("no")))["status"] == 409


def test_storage_out_of_reach_is_503_with_a_time_to_come_back() -> None:
    response = raising(StorageUnavailable("inserting into events20261116: storage answered 500"))
    assert problem_of(response)["status"] == 503
    assert response.headers["Retry-After"] == "5"
    assert b"events20261116" not in response.get_body()


def test_whatever_else_fails_is_500_and_tells_nothing_of_the_inside() -> None:
    response = raising(RuntimeError("https://x.example/?code=hidden"))
    assert problem_of(response)["status"] == 500
    assert b"hidden" not in response.get_body()


def test_wrong_settings_are_500_and_say_what_to_change() -> None:
    assert problem_of(raising(SettingsError("SECRETS_KEY does not open what is stored")))["status"] == 500


def test_a_handler_on_the_loop_is_served_as_any_other() -> None:
    async def handler(call: Request) -> Response:
        raise StorageUnavailable("reading options: storage answered 500")

    routes = Routes(func.FunctionApp())
    routes.route("health_get", "GET", "health", handler, anybody=True)
    [function] = routes._functions.get_functions()
    assert problem_of(asyncio.run(function.get_user_function()(request())))["status"] == 503


@pytest.fixture
def declared() -> Routes:
    routes = Routes(func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS))

    def handler(call: Request) -> Response:
        return Response(200)

    routes.route("make", "POST", "v1.0/things", handler, Role.ADMIN)
    routes.route("list", "GET", "v1.0/things", handler, Role.ADMIN)
    routes.route("get", "GET", "v1.0/things/{id}", handler, Role.ADMIN)
    routes.route("test", "POST", "v1.0/things/{id}/test", handler, Role.ADMIN)
    return routes


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1.0/things", ["GET", "HEAD", "POST"]),
        ("/V1.0/Things/", ["GET", "HEAD", "POST"]),
        ("/v1.0/things/5", ["GET", "HEAD"]),
        ("//v1.0/things", []),
        ("/v1.0//things", []),
        ("/v1.0/things//", []),
        ("/v1.0/things/5/test", ["POST"]),
        ("/v1.0/things/5/other", []),
        ("/v1.0", []),
        ("/", []),
        ("", []),
    ],
)
def test_a_path_knows_its_methods(declared: Routes, path: str, methods: list[str]) -> None:
    assert declared.methods_of(path) == methods


def test_an_unknown_path_is_404_and_a_wrong_method_405_with_those_there_are(declared: Routes) -> None:
    assert problem_of(serve(request(path="nothing/here"), (), declared.refuse))["status"] == 404
    response = serve(request("DELETE", "v1.0/things"), (), declared.refuse)
    assert problem_of(response)["status"] == 405
    assert response.headers["Allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_nobody_is_told_to_use_the_method_that_was_used(declared: Routes, method: str) -> None:
    """`GET /health//` was "405, allowed: GET": the host had passed over one of the slashes."""
    assert problem_of(serve(request(method, "v1.0/things/"), (), declared.refuse))["status"] == 404
