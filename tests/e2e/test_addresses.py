"""Without the dangerous settings, nothing may be sent over http or to an address that is not public."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from doubles.hooks import MARK

from .api import ENDPOINTS, Api, eventually
from .conftest import Issuer, MakeSettings, Storage
from .hosting import hosting


@pytest.fixture(scope="module")
def strict(main_storage: Storage, make_settings: MakeSettings, issuer: Issuer) -> Iterator[Api]:
    """A host as in production but for the issuer. It leaves the queues of the shared storage alone."""
    alone = {f"AzureWebJobs.{name}.Disabled": "true" for name in ("dispatch", "exhausted", "sweep")}
    settings = make_settings(main_storage, DANGEROUS_ALLOW_PRIVATE_ENDPOINTS="", **alone)
    with hosting(settings) as host, closing(Api(host.url, issuer.key)) as api:
        yield api


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://10.0.0.1/",
        "https://169.254.169.254/metadata",
        "https://168.63.129.16/",
        "https://192.168.1.1:8443/",
        "https://[::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://0x7f.1/",
        "https://2130706433/",
        "https://user@8.8.8.8/",
    ],
)
def test_private_addresses_are_refused_at_registration(strict: Api, url: str) -> None:
    before = strict.call("GET", ENDPOINTS).json
    body = {"endpoint": f"{url}?code={MARK}", "types": ["*"]}
    problem = strict.call("POST", ENDPOINTS, body, expect=400).json
    assert problem["detail"].startswith("endpoint: ")
    assert strict.call("GET", ENDPOINTS).json == before


def test_public_addresses_are_taken(strict: Api) -> None:
    endpoint = strict.register(f"https://8.8.8.8/hook?code={MARK}", "custom.public")
    strict.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


def test_a_private_address_is_refused_at_each_attempt_too(strict: Api, api: Api) -> None:
    """Registered where the dangerous setting is on. The strict host reads the same storage, and knows within 5 s."""
    endpoint = api.register(f"https://127.0.0.1:9/?code={MARK}", "custom.private")
    eventually(lambda: strict.call("GET", ENDPOINTS).json, lambda known: endpoint in known, within=5)
    attempt = strict.call("POST", f"{ENDPOINTS}/{endpoint['id']}/test").json
    assert "refused" in attempt["error"]
    assert "status" not in attempt
    api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


def test_health_warns_of_functions_that_are_disabled(strict: Api) -> None:
    health = strict.call("GET", "/health").json
    assert health["status"] == "healthy"
    assert health["warnings"][:3] == [
        "deliveries are paused: events are accepted, and wait (AzureWebJobs.dispatch.Disabled)",
        "the function exhausted does not run (AzureWebJobs.exhausted.Disabled)",
        "the function sweep does not run (AzureWebJobs.sweep.Disabled)",
    ]
