"""The `Location` of a subscription is made of the host that the request came to, and of nothing else that it says."""

from types import SimpleNamespace
from typing import Any, cast

import azure.functions as func
import pytest
from cryptography.fernet import Fernet

from shared.api.http.auth import NOBODY
from shared.api.http.call import Request
from shared.api.http.problem import Problem
from shared.api.subscriptions import base_url
from shared.app import App
from shared.settings import SettingsError, read_settings

FORWARDED = {
    "forwarded": "host=evil.example;proto=http",
    "x-forwarded-host": "evil.example",
    "x-forwarded-proto": "http",
    "x-original-host": "evil.example",
}


def asked(url: str, headers: Any = None, **settings: str) -> str:
    least = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "SECRETS_KEY": Fernet.generate_key().decode()}
    app = cast(App, SimpleNamespace(settings=read_settings({**least, **settings})))
    return base_url(Request(app, func.HttpRequest("POST", url, headers=headers, body=b""), NOBODY))


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://contoso-hooks.azurewebsites.net/v1.0/x?y=1", "https://contoso-hooks.azurewebsites.net"),
        ("http://contoso-hooks.azurewebsites.net/v1.0/x", "https://contoso-hooks.azurewebsites.net"),
        ("https://hooks.contoso.com:8443/", "https://hooks.contoso.com:8443"),
        ("http://127.0.0.1:7071/v1.0/x", "http://127.0.0.1:7071"),
        ("http://localhost:7071/v1.0/x", "http://localhost:7071"),
        ("http://[::1]:7071/v1.0/x", "http://[::1]:7071"),
    ],
)
def test_it_is_the_host_of_the_request_over_tls_but_on_this_machine(url: str, found: str) -> None:
    assert asked(url) == found
    assert asked(url, FORWARDED) == found, "a caller may write these headers: they are not read"


@pytest.mark.parametrize(
    "url", ["/", "https:///x", "https://user@host/", 'https://a"b/', "https://a b/", "https://a\\b/"]
)
def test_what_is_no_host_name_is_refused(url: str) -> None:
    with pytest.raises(Problem) as refused:
        asked(url)
    assert refused.value.status == 400


def test_a_public_address_stands_before_all() -> None:
    assert (
        asked("https://inner.example/x", PUBLIC_URL="https://api.contoso.com/hooks/") == "https://api.contoso.com/hooks"
    )


@pytest.mark.parametrize(
    "url", ["http://a.example", "a.example", "https://u:p@a.example", "https://a.example/?x=1", "https:"]
)
def test_a_public_address_must_be_one(url: str) -> None:
    with pytest.raises(SettingsError, match="PUBLIC_URL"):
        asked("https://inner.example/", PUBLIC_URL=url)
