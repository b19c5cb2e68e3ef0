"""A token for Azure Monitor is one of the app's own: it goes to Azure Monitor alone, with rows of events alone."""

from itertools import product

import pytest

from shared.model.audiences import ALLOWED, allowed_problem, audience_problem
from shared.model.clouds import CLOUDS
from shared.model.ingestion import FORMAT, MONITORS, monitor_of, url_problem

PATH = f"/dataCollectionRules/dcr-{'0a' * 16}/streams/Custom-TenantHooks?api-version=2023-01-01"
GOOD = f"https://hooks-5kyl.westeurope-1.ingest.monitor.azure.com{PATH}"
GLOBAL = "https://monitor.azure.com"


def test_each_cloud_has_its_audience() -> None:
    assert {name: f"https://{cloud.monitor}" for name, cloud in CLOUDS.items()} == {
        "global": GLOBAL,
        "gcchigh": "https://monitor.azure.us",
        "dod": "https://monitor.azure.us",
        "china": "https://monitor.azure.cn",
    }


@pytest.mark.parametrize(("audience", "slash"), [*product(MONITORS, ["", "/"])])
def test_a_token_goes_to_the_hosts_of_its_cloud_once_it_is_allowed(audience: str, slash: str) -> None:
    url = f"https://x.eastus-1.ingest.{audience.removeprefix('https://')}{PATH}"
    assert allowed_problem(audience + slash) is None
    assert audience_problem(audience + slash, [audience], url, FORMAT) is None
    assert monitor_of(url) == audience
    assert "ALLOWED_TOKEN_AUDIENCES" in str(audience_problem(audience, ALLOWED, url, FORMAT))
    others = {each: audience_problem(each, MONITORS, url, FORMAT) for each in MONITORS if each != audience}
    assert all(f"takes tokens for {audience}" in str(said) for said in others.values())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://hooks.example/",
        f"http://x.eastus-1.ingest.monitor.azure.com{PATH}",
        f"https://x.ingest.monitor.azure.com:8443{PATH}",
        f"https://x.ingest.monitor.azure.com.evil.example{PATH}",
        f"https://x.ingest.monitor.azure.com@evil.example{PATH}",
        f"https://evil.example/x.ingest.monitor.azure.com{PATH}",
        f"https://xingest.monitor.azure.com{PATH}",
        f"https://ingest.monitor.azure.com{PATH}",
        f"https://x.monitor.azure.com{PATH}",
    ],
)
def test_a_token_goes_nowhere_else(url: str) -> None:
    assert monitor_of(url) is None
    assert "Logs Ingestion API alone" in str(audience_problem(GLOBAL, MONITORS, url, FORMAT))


@pytest.mark.parametrize("wire_format", ["", "point", "template"])
def test_a_token_goes_with_no_body_that_others_decide(wire_format: str) -> None:
    assert f"wire format {FORMAT} alone" in str(audience_problem(GLOBAL, MONITORS, GOOD, wire_format))


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/",
        GOOD.partition("?")[0],
        GOOD.replace("dcr-0a", "dcr-"),
        GOOD.replace("Custom-", ""),
        GOOD.replace("/streams", ""),
        GOOD.replace("?api-version", "?version"),
    ],
)
def test_a_url_that_takes_no_rows_is_told_of(url: str) -> None:
    assert url_problem(GOOD) is None
    assert "?api-version=2023-01-01" in str(url_problem(url))
