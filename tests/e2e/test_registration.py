"""`/v1.0/webhooks/endpoints`, in Syskit Point's way and in ours."""

import base64
import hashlib
from urllib.parse import quote, urlsplit

import pytest

from doubles.hooks import MARK, Receiver

from .api import ENDPOINTS, Api
from .conftest import App

PREFER = {"Prefer": "return=representation"}


def expected_id(url: str) -> str:
    """As docs/api.md says: 128 bits of the SHA-256 of the URL in base32, scheme and host in lower case."""
    parts = urlsplit(url)
    rest = url[len(f"{parts.scheme}://{parts.netloc}") :]
    digest = hashlib.sha256(f"{parts.scheme.lower()}://{parts.netloc.lower()}{rest}".encode()).digest()
    return base64.b32encode(digest[:16]).decode().rstrip("=")


def test_registration_answers_null_and_a_location(api: Api, receiver: Receiver) -> None:
    url = receiver.hook().url
    reply = api.call("POST", ENDPOINTS, {"endpoint": url, "types": ["*"]})
    assert reply.text == "null"
    assert reply.headers["Content-Type"].startswith("application/json")
    assert reply.headers["Location"] == f"{ENDPOINTS}/{expected_id(url)}"
    assert api.call("GET", reply.headers["Location"]).json["endpoint"] == url
    api.call("DELETE", reply.headers["Location"], expect=204)


def test_prefer_representation_answers_the_endpoint(api: Api, receiver: Receiver) -> None:
    url = receiver.hook().url
    more = {
        "name": "ServiceNow",
        "format": "spscan",
        "minSeverity": "high",
        "tenants": ["contoso"],
        "sites": ["https://contoso.sharepoint.com/*"],
    }
    reply = api.call("POST", ENDPOINTS, {"endpoint": url, "types": ["storage.*"], **more}, headers={**PREFER})
    endpoint = reply.json
    assert reply.headers["Location"] == f"{ENDPOINTS}/{endpoint['id']}"
    assert endpoint.items() >= {"endpoint": url, "types": ["storage.*"], "enabled": True, **more}.items()
    assert endpoint["health"] == {"state": "healthy"}
    assert endpoint["createdAt"] == endpoint["updatedAt"]
    assert "secret" not in endpoint
    assert endpoint in api.call("GET", ENDPOINTS).json
    api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("http://127.0.0.1:9/Hook?code=a", "HTTP://127.0.0.1:9/Hook?code=a"),
        ("http://LOCALHOST:9/%2fA", "http://localhost:9/%2fA"),
    ],
)
def test_the_id_is_of_the_url_with_scheme_and_host_in_lower_case(api: Api, url: str, same: str) -> None:
    first, second = api.register(url), api.register(same)
    assert first["id"] == second["id"] == expected_id(url)
    other = api.register(url.replace("A", "a").replace("H", "h") + "x")
    assert other["id"] not in (first["id"], expected_id(url))
    for each in (first, other):
        api.call("DELETE", f"{ENDPOINTS}/{each['id']}", expect=204)


def test_the_same_url_again_updates_and_keeps_what_is_absent(api: Api, receiver: Receiver) -> None:
    url = receiver.hook().url
    first = api.register(url, "storage.*", name="kept", minSeverity="high", sites=["https://x/*"])
    second = api.call("POST", ENDPOINTS, {"endpoint": url, "format": "spscan"}, headers={**PREFER}).json
    assert second == {**first, "format": "spscan", "updatedAt": second["updatedAt"]}
    assert second["updatedAt"] > first["updatedAt"]
    assert [each["id"] for each in api.call("GET", ENDPOINTS).json].count(first["id"]) == 1
    api.call("DELETE", f"{ENDPOINTS}/{first['id']}", expect=204)


@pytest.mark.parametrize("way", ["body", "query", "id"])
def test_deletion(api: Api, receiver: Receiver, way: str) -> None:
    endpoint = api.register(receiver.hook(suffix="?a=1%20").url)
    url, identity = endpoint["endpoint"], endpoint["id"]
    path, body = {
        "body": (ENDPOINTS, {"endpoint": url}),
        "query": (f"{ENDPOINTS}?endpoint={quote(url, safe='')}", None),
        "id": (f"{ENDPOINTS}/{identity}", None),
    }[way]
    assert api.call("DELETE", path, body, expect=204).text == ""
    api.call("GET", f"{ENDPOINTS}/{identity}", expect=404)
    assert identity not in [each["id"] for each in api.call("GET", ENDPOINTS).json]
    problem = api.call("DELETE", path, body, expect=404).json
    if way != "id":
        assert {"message", "exceptionMessage", "exceptionType"} <= problem.keys()
        assert all(problem[name] for name in ("message", "exceptionMessage", "exceptionType"))


def test_deletion_without_an_endpoint_says_what_to_give(api: Api) -> None:
    problem = api.call("DELETE", ENDPOINTS, expect=400).json
    assert "endpoint" in problem["detail"]


def test_patch_is_a_merge_patch(api: Api, receiver: Receiver) -> None:
    endpoint = api.register(
        receiver.hook().url, "storage.*", name="x", minSeverity="high", tenants=["a"], sites=["*/b"], format="spscan"
    )
    path = f"{ENDPOINTS}/{endpoint['id']}"
    kept = api.call("PATCH", path, {"name": "y"}).json
    assert kept == {**endpoint, "name": "y", "updatedAt": kept["updatedAt"]}
    patch = {"name": None, "minSeverity": None, "tenants": None, "sites": None, "format": None, "types": ["*"]}
    reset = api.call("PATCH", path, patch, headers={"Content-Type": "application/merge-patch+json"}).json
    assert reset["types"] == ["*"]
    assert reset["format"] == "point"
    assert not {"name", "minSeverity", "tenants", "sites"} & reset.keys()
    assert api.call("PATCH", path, {"enabled": False}).json["health"]["state"] == "disabled"
    assert api.call("PATCH", path, {"enabled": None}).json["health"]["state"] == "healthy"
    assert api.call("GET", path).json["endpoint"] == endpoint["endpoint"]
    api.call("DELETE", path, expect=204)


@pytest.mark.parametrize(
    ("patch", "named"),
    [
        ({"endpoint": "https://example.com/"}, "endpoint"),
        ({"types": None}, "types"),
        ({"types": []}, "types"),
        ({"minSeverity": "urgent"}, "minSeverity"),
        ({"enabled": "yes"}, "enabled"),
        ({"id": "x"}, "id"),
        ([], "object"),
    ],
)
def test_a_wrong_patch_changes_nothing(api: Api, receiver: Receiver, patch: object, named: str) -> None:
    endpoint = api.register(receiver.hook().url)
    path = f"{ENDPOINTS}/{endpoint['id']}"
    assert named in api.call("PATCH", path, patch, expect=400).json["detail"]
    assert api.call("GET", path).json == endpoint
    api.call("DELETE", path, expect=204)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"types": ["*"]}, "endpoint"),
        ({"endpoint": f"http://127.0.0.1:9/new?code={MARK}"}, "types"),
        ({"endpoint": f"http://127.0.0.1:9/new?code={MARK}", "types": "nothing"}, "types"),
        ({"endpoint": f"http://127.0.0.1:9/new?code={MARK}", "types": []}, "types"),
        ({"endpoint": f"http://127.0.0.1:9/new?code={MARK}", "types": ["Provisioning"]}, "Provisioning"),
        ({"endpoint": f"http://127.0.0.1:9/new?code={MARK}", "types": ["nothing.*"]}, "nothing.*"),
        ({"endpoint": f"http://127.0.0.1:9/new?code={MARK}", "types": ["*"], "format": "xml"}, "format"),
        ({"endpoint": f"http://127.0.0.1:9/new?code={MARK}", "types": ["*"], "minSeverity": "5"}, "minSeverity"),
        ({"endpoint": f"http://127.0.0.1:9/new?code={MARK}", "types": ["*"], "typos": 1}, "typos"),
        ({"endpoint": f"ftp://127.0.0.1:9/new?code={MARK}", "types": ["*"]}, "https"),
        ({"endpoint": f"http://user:{MARK}@127.0.0.1:9/", "types": ["*"]}, "user name"),
        ({"endpoint": f"http://127.0.0.1:9/a b?code={MARK}", "types": ["*"]}, "space"),
        ({"endpoint": f"http://127.0.0.1:9/#{MARK}", "types": ["*"]}, "fragment"),
        ({"endpoint": f"{MARK}", "types": ["*"]}, "https"),
        ({"endpoint": 7, "types": ["*"]}, "endpoint"),
        (["*"], "object"),
    ],
)
def test_a_wrong_registration_is_refused_in_words(api: Api, body: object, named: str) -> None:
    """That the answer does not echo the marked secret is checked by Api.call, as for every error."""
    before = api.call("GET", ENDPOINTS).json
    problem = api.call("POST", ENDPOINTS, body, expect=400).json
    assert named in problem["detail"]
    assert api.call("GET", ENDPOINTS).json == before


@pytest.mark.parametrize("text", ["", "{", '{"endpoint":"https://a/","endpoint":"https://b/","types":["*"]}', "\xff"])
def test_a_body_that_is_no_json_is_refused(api: Api, text: str) -> None:
    assert api.call("POST", ENDPOINTS, data=text.encode("latin-1"), expect=400).json["detail"]


def test_unknown_ids_are_404(api: Api) -> None:
    for method, tail in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/secret"), ("POST", "/test")):
        body: dict[str, str] | None = {} if method == "PATCH" else None
        api.call(method, f"{ENDPOINTS}/AAAAAAAAAAAAAAAAAAAAAAAAAA{tail}", body, expect=404)


def test_each_endpoint_has_a_secret_of_its_own(api: Api, receiver: Receiver) -> None:
    one, two = api.register(receiver.hook().url), api.register(receiver.hook().url)
    secrets = [api.call("GET", f"{ENDPOINTS}/{each['id']}/secret").json["secret"] for each in (one, two)]
    assert secrets[0] != secrets[1]
    for secret in secrets:
        assert secret.startswith("whsec_")
        assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64
    api.register(one["endpoint"])
    assert api.call("GET", f"{ENDPOINTS}/{one['id']}/secret").json["secret"] == secrets[0]
    for each in (one, two):
        api.call("DELETE", f"{ENDPOINTS}/{each['id']}", expect=204)


def test_the_test_button_answers_with_the_attempt(app: App) -> None:
    hook = app.receiver.hook()
    endpoint = app.api.register(hook.url, "storage.*")
    path = f"{ENDPOINTS}/{endpoint['id']}/test"
    attempt = app.api.call("POST", path).json
    assert attempt["status"] == 200
    assert attempt["durationMs"] >= 0
    assert "error" not in attempt
    hook.answer(503)
    assert app.api.call("POST", path, {"type": "ProvisioningFailed"}).json["status"] == 503
    first, second = hook.wait(2)
    assert first.headers["Content-Type"] == "application/json"
    assert b'"type":"storage.threshold_exceeded"' in first.body
    assert b'"type":"ProvisioningFailed"' in second.body
    app.api.call("POST", path, {"type": "no.such"}, expect=400)
    app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


def test_the_test_button_says_why_nothing_answers(api: Api) -> None:
    endpoint = api.register("http://127.0.0.1:9/discard")
    attempt = api.call("POST", f"{ENDPOINTS}/{endpoint['id']}/test").json
    assert "status" not in attempt
    assert "refused" in attempt["error"]
    api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)
