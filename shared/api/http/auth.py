"""Who calls: Entra bearer tokens, checked in the app. What the platform in front says of the caller is not read."""

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from shared.api.http.issuer_keys import keys_at
from shared.api.http.problem import Problem
from shared.model.clouds import CLOUDS
from shared.settings import Settings

LEEWAY_SECONDS = 300
"""By how much clocks may differ: what Microsoft's own libraries allow."""

LOCAL_ISSUER = "urn:tenant-hooks:local-issuer"
LOCAL_AUDIENCE = "api://tenant-hooks-local"
LOCAL_TENANT = "00000000-0000-4000-8000-000000000001"

SCOPE = "user_impersonation"
"""The delegated permission of this API, by which an application asks for a token on behalf of its user."""

_ONLY_IN_ID_TOKENS = ("nonce", "at_hash", "c_hash")
"""OpenID Connect Core 1.0, sections 2 and 3.3.2.11: they bind an ID token to a sign-in, and to what came with it."""


class Role(enum.StrEnum):
    """App roles; ADMIN implies the others. SUBSCRIBE sees no endpoints but those that its holder registered."""

    ADMIN = "Point.Admin"
    PUBLISH = "Point.Publish"
    READ = "Point.Read"
    SUBSCRIBE = "Point.Subscribe"
    PROVISION = "Point.Provisioning"


@dataclass(frozen=True)
class Caller:
    """Whom the token is about: the directory object and the application, with the app roles that it carries."""

    object_id: str
    application: str
    is_admin: bool = False
    roles: tuple[Role, ...] = ()

    def __str__(self) -> str:
        return f"{self.object_id or '-'} through {self.application or '-'}"


NOBODY = Caller("", "")
"""The caller of a route that asks for no token."""


@dataclass(frozen=True)
class Issuer:
    """An issuer that is trusted, for these audiences and this tenant, with the address of its keys."""

    name: str
    audiences: tuple[str, ...]
    tenant: str
    keys_url: str


def trusted_issuers(settings: Settings) -> dict[str, Issuer]:
    """The issuers whose tokens are taken, by name; none where nothing is configured, and then nobody gets in."""
    found = []
    tenant, client = settings.entra_tenant_id, settings.entra_client_id
    if tenant and client:
        cloud = CLOUDS[settings.entra_cloud]
        keys = f"https://{cloud.login}/{tenant}/discovery/v2.0/keys"
        found.append(Issuer(f"https://{cloud.v1_issuer}/{tenant}/", (f"api://{client}", client), tenant, keys))
        found.append(Issuer(f"https://{cloud.v2_issuer}/{tenant}/v2.0", (client,), tenant, keys))
    if settings.trusted_local_issuer:
        keys = f"{settings.trusted_local_issuer}/keys"
        found.append(Issuer(LOCAL_ISSUER, (LOCAL_AUDIENCE,), LOCAL_TENANT, keys))
    return {issuer.name: issuer for issuer in found}


def authorise(authorization: str | None, roles: Collection[Role], settings: Settings) -> Caller:
    """The caller, who carries one of the roles. Raises Problem 401, 403, or 503 where the key server is down."""
    claims = _claims(_bearer(authorization), settings)
    listed = claims.get("roles")
    carried = {item for item in listed if isinstance(item, str)} if isinstance(listed, list) else set()
    caller = Caller(
        str(claims.get("oid") or ""),
        _application(claims),
        Role.ADMIN in carried,
        tuple(role for role in Role if role in carried),
    )
    if not caller.is_admin and not carried & set(roles):
        wanted = " or ".join(roles)
        raise Problem(403, "forbidden", f"This needs the app role {wanted}: have an admin assign it to the caller")
    if not caller.is_admin and not caller.object_id:
        raise Problem(403, "forbidden", "The token names no directory object (oid), so nothing can be its caller's own")
    return caller


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _unauthenticated("Send an Entra access token as `Authorization: Bearer …`")
    return token.strip()


def _claims(token: str, settings: Settings) -> dict[str, Any]:
    issuers = trusted_issuers(settings)
    if not issuers:
        raise _unauthenticated("This deployment trusts no issuer yet: set ENTRA_TENANT_ID and ENTRA_CLIENT_ID")
    try:
        issuer = issuers.get(_unverified_issuer(token))
        if issuer is None:
            raise _unauthenticated("The token is of an issuer that this deployment does not trust")
        key = keys_at(issuer.keys_url).key(str(jwt.get_unverified_header(token).get("kid", "")))
        if key is None:
            raise _unauthenticated("The token is signed with a key that its issuer does not publish")
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            audience=list(issuer.audiences),
            issuer=issuer.name,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud", "tid"]},
        )
    except jwt.InvalidTokenError as error:
        raise _unauthenticated(f"The token was not accepted: {_why(error, issuers)}") from None
    if claims["tid"] != issuer.tenant:
        raise _unauthenticated("The token is of another tenant")
    if problem := _not_an_access_token(claims):
        raise _unauthenticated(f"The token was not accepted: {problem}")
    return claims


def _not_an_access_token(claims: Mapping[str, Any]) -> str | None:
    """Why a token that its issuer has signed for this application is not one for calling its API, or None. An ID token
    says who signed in to an application: it has the same audience and roles, and goes where no access token does."""
    if not _application(claims) or any(name in claims for name in _ONLY_IN_ID_TOKENS):
        return "it is an ID token, or names no application (azp or appid): send the access token"
    if "scp" in claims and SCOPE not in str(claims["scp"]).split():
        return f"it is for other delegated permissions: ask for the scope {SCOPE} of this API, or for .default"
    return None


def _application(claims: Mapping[str, Any]) -> str:
    """Which application got the token: `azp` in version 2, `appid` in version 1; empty where it names none."""
    return next((name for key in ("azp", "appid") if isinstance(name := claims.get(key), str) and name), "")


def _why(error: jwt.InvalidTokenError, issuers: Mapping[str, Issuer]) -> str:
    """What is wrong with a token, in words of this API: those of the library are for programmers of Python."""
    match error:
        case jwt.ExpiredSignatureError():
            return "it has expired: get a new one"
        case jwt.ImmatureSignatureError() | jwt.InvalidIssuedAtError():
            return "it is not valid yet: set the clock of the machine that got it"
        case jwt.InvalidAudienceError():
            audiences = dict.fromkeys(name for issuer in issuers.values() for name in issuer.audiences)
            return f"it is for another audience: get one for {' or '.join(audiences)}"
        case jwt.MissingRequiredClaimError():
            return f"it lacks the claim {error.claim}: get an access token of Microsoft Entra"
        case jwt.InvalidSignatureError():
            return "its signature does not fit: pass it on as it was issued"
        case jwt.InvalidAlgorithmError():
            return "it is not signed with RS256: get an access token of Microsoft Entra"
    return "it is no JSON Web Token: send the access token as it was issued, three parts with dots between them"


def _unverified_issuer(token: str) -> str:
    """Only chooses which of the trusted issuers' keys must have signed the token."""
    claims = jwt.decode(token, options={"verify_signature": False})
    return str(claims.get("iss", ""))


def _unauthenticated(detail: str) -> Problem:
    return Problem(401, "unauthenticated", detail, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
