import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from shared import app as app_module
from shared import settings as settings_module
from shared.api.http.openapi import document
from shared.api.http.routing import Route

Json = dict[str, Any]


@pytest.fixture(scope="module")
def routes() -> Iterator[list[Route]]:
    """Those of the app, as function_app.py declares them."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AzureWebJobsStorage", "UseDevelopmentStorage=true")
        environment.setenv("SECRETS_KEY", Fernet.generate_key().decode())
        environment.syspath_prepend(str(Path(__file__).parents[3]))
        environment.delitem(sys.modules, "function_app", raising=False)
        settings_module.settings.cache_clear()
        app_module.get_app.cache_clear()
        yield importlib.import_module("function_app").http.declared
        sys.modules.pop("function_app", None)
    settings_module.settings.cache_clear()
    app_module.get_app.cache_clear()


@pytest.fixture(scope="module")
def described(routes: list[Route]) -> Json:
    made: Json = json.loads(json.dumps(document(routes)))
    return made
