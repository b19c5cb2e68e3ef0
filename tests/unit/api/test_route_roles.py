"""Every route says whom it is for, and lets in nobody else."""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import azure.functions as func
import pytest
from cryptography.fernet import Fernet

from shared import app as app_module
from shared import settings as settings_module
from shared.api.http.auth import Role
from shared.api.http.call import SECURITY_HEADERS, Request, Response
from shared.api.http.routing import Routes
from unit.api.test_routing import problem_of

ROOT = Path(__file__).parents[3]
OPEN = {"console_file", "console_home", "health_get", "openapi_get", "zz_unknown"}
"""What needs no token."""

Function = Callable[[func.HttpRequest], func.HttpResponse]


@pytest.fixture(scope="module")
def functions() -> Iterator[dict[str, tuple[str, Function]]]:
    """Method and code of every HTTP function of the app, by name; of a deployment that trusts an issuer."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AzureWebJobsStorage", "UseDevelopmentStorage=true")
        environment.setenv("SECRETS_KEY", Fernet.generate_key().decode())
        environment.setenv("ENTRA_TENANT_ID", "235ec2cb-0767-40b3-a1de-4da2c42b19e9")
        environment.setenv("ENTRA_CLIENT_ID", "3b735b14-de6f-4cf8-adc6-da7eaccbdc31")
        environment.syspath_prepend(str(ROOT))
        environment.delitem(sys.modules, "function_app", raising=False)
        settings_module.settings.cache_clear()
        app_module.get_app.cache_clear()
        module = importlib.import_module("function_app")
        yield {
            str(each.get_function_name()): (str(trigger.get("methods", ["GET"])[0]), each.get_user_function())
            for each in module.app.get_functions()
            if (trigger := each.get_trigger().get_dict_repr())["type"] == "httpTrigger"
        }
        sys.modules.pop("function_app", None)
    settings_module.settings.cache_clear()
    app_module.get_app.cache_clear()


def test_a_route_that_names_no_role_ends_the_start() -> None:
    routes = Routes(func.FunctionApp())

    def handler(request: Request) -> Response:
        return Response(200)

    with pytest.raises(ValueError, match=r"GET v1\.0/things: name the roles"):
        routes.route("thing_list", "GET", "v1.0/things", handler)
    with pytest.raises(ValueError, match="name the roles"):
        routes.route("thing_list", "GET", "v1.0/things", handler, Role.ADMIN, anybody=True)


def test_every_function_of_the_app_asks_for_a_token(functions: dict[str, tuple[str, Function]]) -> None:
    assert len(functions) > 15
    for name, (method, function) in functions.items():
        if name in OPEN:
            continue
        for token in (None, "Bearer x.y.z"):
            headers = {} if token is None else {"authorization": token}
            params = {"id": "A" * 26, "key": "key"}
            answer = function(
                func.HttpRequest(method, "/", headers=headers, params=params, route_params=params, body=b"")
            )
            assert problem_of(answer)["status"] == 401, name
            assert SECURITY_HEADERS.items() <= dict(answer.headers).items(), name


def test_health_needs_none_of_the_workers_threads(functions: dict[str, tuple[str, Function]]) -> None:
    """Calls that wait for storage that hangs keep all of them for a minute."""
    assert inspect.iscoroutinefunction(functions["health_get"][1])
