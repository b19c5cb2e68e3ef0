"""Who gets in: Entra bearer tokens, checked against a key server of these tests' own."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from doubles.key_server import CLIENT, KEY, LEAST, OTHER_KEY, TENANT, KeyServer, status, token
from shared.api.http.auth import LOCAL_AUDIENCE, LOCAL_ISSUER, LOCAL_TENANT, Role, authorise, trusted_issuers
from shared.api.http.problem import Problem
from shared.settings import Settings, read_settings


def test_a_good_token_tells_who_calls(local: Settings) -> None:
    caller = authorise(f"Bearer {token()}", (Role.ADMIN,), local)
    assert (caller.object_id, caller.application) == ("an-object", "an-application")
    assert str(caller) == "an-object through an-application"
    assert authorise(f"bearer  {token(azp=..., appid='old-style')}", (Role.ADMIN,), local).application == "old-style"


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic dTpw",
        "Negotiate x",
        "Bearer garbage",
        "Bearer a.b.c",
        "Bearer é.é.é",
        "garbage",
        "Bearer eyJ.eyJ.x",
    ],
)
def test_what_is_no_bearer_token_is_401(authorization: str | None, local: Settings) -> None:
    assert status(authorization, local) == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example/"},
        {"iss": LOCAL_ISSUER + "/"},
        {"iss": ...},
        {"iss": f"https://sts.windows.net/{TENANT}/"},
        {"aud": "api://another"},
        {"aud": ...},
        {"aud": []},
        {"tid": TENANT},
        {"tid": ...},
        {"tid": [LOCAL_TENANT]},
        {"exp": int(time.time()) - 600},
        {"exp": ...},
        {"exp": "soon"},
        {"nbf": int(time.time()) + 86_400},
        {"iat": int(time.time()) + 86_400},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_a_token_with_a_wrong_claim_is_401(changes: dict[str, Any], local: Settings) -> None:
    assert status(f"Bearer {token(**changes)}", local) == 401


@pytest.mark.parametrize("seconds", [30, 120, 240])
def test_clocks_may_differ_by_what_microsofts_libraries_allow(seconds: int, local: Settings) -> None:
    now = int(time.time())
    assert status(f"Bearer {token(exp=now - seconds)}", local) == 200
    assert status(f"Bearer {token(nbf=now + seconds, iat=now + seconds)}", local) == 200


@pytest.mark.parametrize(
    ("authorization", "said"),
    [
        ("garbage", "it is no JSON Web Token: send the access token as it was issued"),
        ("a.b.c", "it is no JSON Web Token"),
        (lambda: token(aud="api://another"), f"it is for another audience: get one for {LOCAL_AUDIENCE}"),
        (lambda: token(aud=[]), "it lacks the claim aud"),
        (lambda: token(exp=1), "it has expired: get a new one"),
        (lambda: token(exp="soon"), "it is no JSON Web Token"),
        (lambda: token(nbf=2**33), "it is not valid yet: set the clock"),
        (lambda: token(iat=2**33), "it is not valid yet: set the clock"),
        (lambda: token(tid=...), "it lacks the claim tid: get an access token of Microsoft Entra"),
        (lambda: token(exp=...), "it lacks the claim exp"),
        (lambda: token()[:-8] + "AAAAAAAA", "its signature does not fit"),
        (lambda: token(azp=...), "it is an ID token, or names no application (azp or appid): send the access token"),
        (lambda: token(scp="User.Read"), "it is for other delegated permissions: ask for the scope user_impersonation"),
    ],
)
def test_what_is_wrong_with_a_token_is_said_in_words_for_its_sender(
    authorization: str | Callable[[], str], said: str, local: Settings
) -> None:
    given = authorization if isinstance(authorization, str) else authorization()
    with pytest.raises(Problem) as refused:
        authorise(f"Bearer {given}", [Role.READ], local)
    assert refused.value.status == 401
    assert str(refused.value).startswith(f"The token was not accepted: {said}")


def test_one_of_several_audiences_is_enough(local: Settings) -> None:
    assert status(f"Bearer {token(aud=['x', LOCAL_AUDIENCE])}", local) == 200


def unsigned(algorithm: str, sign: Callable[[bytes], bytes]) -> str:
    """Today's good claims under another algorithm, put together by hand: no library would."""

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).decode().rstrip("=")

    claims = token().split(".")[1]
    signed = part(json.dumps({"alg": algorithm, "kid": "key-1", "typ": "JWT"}).encode()) + "." + claims
    return f"{signed}.{part(sign(signed.encode()))}"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
def test_an_unsigned_token_is_401(algorithm: str, local: Settings) -> None:
    assert status(f"Bearer {unsigned(algorithm, lambda data: b'')}", local) == 401


def test_a_token_signed_with_the_public_key_as_a_secret_is_401(local: Settings) -> None:
    public = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for secret in (public, public.strip()):
        forged = unsigned("HS256", lambda data, secret=secret: hmac.digest(secret, data, hashlib.sha256))  # type: ignore[misc]
        assert status(f"Bearer {forged}", local) == 401


def test_a_token_of_another_key_under_a_known_name_is_401(local: Settings) -> None:
    assert status(f"Bearer {token(OTHER_KEY)}", local) == 401


def test_a_token_that_was_changed_is_401(local: Settings) -> None:
    head, _, signature = token(roles=["Point.Read"]).split(".")
    claims = token(roles=["Point.Admin"]).split(".")[1]
    assert status(f"Bearer {head}.{claims}.{signature}", local) == 401


@pytest.mark.parametrize("kid", ["key-2", "", None])
def test_an_unknown_key_is_401(kid: str | None, local: Settings) -> None:
    assert status(f"Bearer {token(kid=kid)}", local) == 401


@pytest.mark.parametrize(
    "roles",
    [
        ...,
        [],
        "Point.Admin",
        "Point.Admin Point.Read",
        ["point.admin"],
        ["Point.Administrator"],
        {"Point.Admin": 1},
        [["Point.Admin"]],
        None,
        [5],
    ],
    ids=str,
)
def test_without_the_role_as_it_is_written_it_is_403(roles: Any, local: Settings) -> None:
    assert status(f"Bearer {token(roles=roles)}", local) == 403


@pytest.mark.parametrize("needed", Role)
@pytest.mark.parametrize("held", Role)
def test_admin_implies_the_others_and_no_other_role_does(needed: Role, held: Role, local: Settings) -> None:
    expected = 200 if held in (needed, Role.ADMIN) else 403
    assert status(f"Bearer {token(roles=['Other', held.value])}", local, needed) == expected


def test_scopes_are_no_roles(local: Settings) -> None:
    assert status(f"Bearer {token(roles=..., scp='user_impersonation')}", local) == 403
    assert status(f"Bearer {token(roles=..., scp='user_impersonation Point.Admin')}", local) == 403


@pytest.mark.parametrize(
    "changes",
    [
        {"azp": ...},
        {"azp": ""},
        {"azp": None},
        {"azp": ["an-application"]},
        {"azp": ..., "appid": ""},
        {"nonce": "of-a-sign-in"},
        {"at_hash": "of-the-access-token"},
        {"c_hash": "of-the-code"},
        {"scp": ""},
        {"scp": None},
        {"scp": "User.Read"},
        {"scp": "Point.Admin"},
        {"scp": "user_impersonation_of_another"},
        {"scp": "user_impersonation.All"},
        {"scp": ["user_impersonation"]},
    ],
    ids=str,
)
def test_a_token_that_is_not_for_calling_this_api_is_401(changes: dict[str, Any], local: Settings) -> None:
    """An ID token of this very application has its audience and its user's roles: it let in whoever held one."""
    assert status(f"Bearer {token(**changes)}", local) == 401


@pytest.mark.parametrize("scp", [..., "user_impersonation", "User.Read user_impersonation", "user_impersonation email"])
def test_a_user_comes_by_the_delegated_permission_of_this_api(scp: Any, local: Settings) -> None:
    assert status(f"Bearer {token(scp=scp)}", local) == 200


# Entra


V1 = {"iss": f"https://sts.windows.net/{TENANT}/", "tid": TENANT, "ver": "1.0"}
V2 = {"iss": f"https://login.microsoftonline.com/{TENANT}/v2.0", "tid": TENANT, "ver": "2.0"}


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({**V1, "aud": f"api://{CLIENT}"}, 200),
        ({**V1, "aud": CLIENT}, 200),
        ({**V2, "aud": CLIENT}, 200),
        ({**V2, "aud": f"api://{CLIENT}"}, 401),
        ({**V1, "aud": "https://graph.microsoft.com"}, 401),
        ({**V1, "aud": CLIENT, "tid": LOCAL_TENANT}, 401),
        ({**V2, "aud": CLIENT, "iss": f"https://login.microsoftonline.com/{LOCAL_TENANT}/v2.0"}, 401),
        ({**V2, "aud": CLIENT, "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0/"}, 401),
        ({**V2, "aud": CLIENT, "iss": f"https://login.microsoftonline.us/{TENANT}/v2.0"}, 401),
        ({"aud": LOCAL_AUDIENCE}, 401),
    ],
)
def test_entras_v1_and_v2_tokens_are_taken_each_as_issuer_and_audience_belong(
    claims: dict[str, Any], expected: int, entra: Settings
) -> None:
    assert status(f"Bearer {token(**claims)}", entra) == expected


@pytest.mark.parametrize(
    ("cloud", "login", "sts"),
    [
        ("global", "login.microsoftonline.com", "sts.windows.net"),
        ("gcchigh", "login.microsoftonline.us", "sts.windows.net"),
        ("dod", "login.microsoftonline.us", "sts.windows.net"),
        ("china", "login.partner.microsoftonline.cn", "sts.chinacloudapi.cn"),
    ],
)
def test_each_cloud_has_its_own_issuers_and_keys(cloud: str, login: str, sts: str) -> None:
    settings = read_settings(LEAST | {"ENTRA_TENANT_ID": TENANT, "ENTRA_CLIENT_ID": CLIENT, "ENTRA_CLOUD": cloud})
    issuers = trusted_issuers(settings)
    assert set(issuers) == {f"https://{sts}/{TENANT}/", f"https://{login}/{TENANT}/v2.0"}
    assert {issuer.keys_url for issuer in issuers.values()} == {f"https://{login}/{TENANT}/discovery/v2.0/keys"}


@pytest.mark.parametrize("given", [{}, {"ENTRA_TENANT_ID": TENANT}, {"ENTRA_CLIENT_ID": CLIENT}])
def test_with_empty_configuration_nobody_gets_in(given: dict[str, str], key_server: KeyServer) -> None:
    settings = read_settings(LEAST | given)
    assert trusted_issuers(settings) == {}
    tokens: list[dict[str, Any]] = [{}, {**V1, "aud": CLIENT}, {**V2, "aud": CLIENT}, {"iss": "", "aud": ""}]
    for claims in tokens:
        assert status(f"Bearer {token(**claims)}", settings) == 401
    assert key_server.fetches == 0


def test_the_local_issuer_is_not_trusted_unless_the_dangerous_setting_says_so(entra: Settings) -> None:
    assert status(f"Bearer {token()}", entra) == 401
