"""Signing in at the local issuer: OAuth 2.0's authorization code with PKCE (RFC 7636), as Microsoft Entra does it for
single-page apps. Whoever can reach this machine's loopback may sign in as anybody: it is for trying things out."""

import base64
import hashlib
import html
import json
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from aiohttp import web

ROLES = ("Point.Admin", "Point.Read", "Point.Publish", "Point.Subscribe", "Point.Provisioning")
NO_ROLE = "No role"
ADMIN_OBJECT = "00000000-0000-4000-8000-000000000002"
"""The person with Point.Admin, which is also the holder of the tokens of `dev.py token`."""
CODE_SECONDS = 60
ACCESS_SECONDS = 3600

MakeToken = Callable[..., str]
"""Signs a token with these roles, for so many seconds, with these claims."""

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sign in (local)</title>
<link rel="icon" href="data:,">
<h1>Sign in to Tenant Hooks on this machine</h1>
<p>This stands in for Microsoft Entra. Choose the app role with which to look around:</p>
<ul>{}</ul>
</html>
"""


@dataclass(frozen=True)
class Person:
    """Somebody who signed in; without roles it is a person to whom none was assigned."""

    roles: tuple[str, ...]
    expires_in: int

    @property
    def object_id(self) -> str:
        """Each choice of roles is another person, and the same one every time."""
        named = uuid.uuid5(uuid.NAMESPACE_URL, "urn:tenant-hooks:" + " ".join(self.roles))
        return ADMIN_OBJECT if self.roles == ("Point.Admin",) else str(named)

    @property
    def name(self) -> str:
        return f"{' and '.join(each.removeprefix('Point.') for each in self.roles) or 'Nobody'} (local)"


@dataclass
class SignIn:
    """The three pages of signing in. `make_token` signs; the tenant and client are those of the tokens."""

    make_token: MakeToken
    tenant: str
    client: str
    _codes: dict[str, tuple[float, Person, dict[str, str]]] = field(default_factory=dict)
    _refresh: dict[str, tuple[Person, str]] = field(default_factory=dict)

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/authorize", self.authorize)
        app.router.add_post("/token", self.token)
        app.router.add_get("/logout", self.logout)

    async def authorize(self, request: web.Request) -> web.Response:
        """Asks who to be, or with `login_hint` signs that person in at once: roles with `+` between them, or another
        word for none; after `;` for how many seconds tokens are good."""
        asked = dict(request.query)
        if not is_console(asked.get("redirect_uri", "")) or asked.get("code_challenge_method") != "S256":
            raise web.HTTPBadRequest(text="redirect_uri must be a console on this machine, with PKCE by S256")
        hint = asked.pop("login_hint", None)
        if hint is None:
            return web.Response(text=_PAGE.format("".join(_choice(asked, roles) for roles in (*ROLES, NO_ROLE))),
                                content_type="text/html")  # fmt: skip
        named, _, seconds = hint.partition(";")
        person = Person(tuple(role for role in named.split("+") if role in ROLES), int(seconds or ACCESS_SECONDS))
        code = secrets.token_urlsafe(24)
        self._codes[code] = (time.monotonic() + CODE_SECONDS, person, asked)
        given = {"code": code, "state": asked.get("state", ""), "client_info": self._client_info(person)}
        raise web.HTTPFound(f"{asked['redirect_uri']}#{urlencode(given)}")

    async def token(self, request: web.Request) -> web.Response:
        """Tokens for a code, once, or for a refresh token. 400 as OAuth 2.0 words it."""
        form = {name: str(value) for name, value in (await request.post()).items()}
        found = self._by_code(form) if form.get("grant_type") == "authorization_code" else self._by_refresh(form)
        allowed = _cors(request)
        if found is None:
            return web.json_response({"error": "invalid_grant"}, status=400, headers=allowed)
        person, nonce = found
        refresh = secrets.token_urlsafe(24)
        self._refresh[refresh] = (person, nonce)
        who = {"oid": person.object_id, "sub": person.object_id, "name": person.name}
        shown = {**who, "aud": self.client, "nonce": nonce, "preferred_username": person.name}
        return web.json_response(
            {
                "token_type": "Bearer",
                "scope": form.get("scope", ""),
                "expires_in": person.expires_in,
                "access_token": self.make_token(person.roles, person.expires_in, scp="user_impersonation", **who),
                "id_token": self.make_token(person.roles, person.expires_in, **shown),
                "refresh_token": refresh,
                "client_info": self._client_info(person),
            },
            headers=allowed,
        )

    async def logout(self, request: web.Request) -> web.Response:
        back = request.query.get("post_logout_redirect_uri", "")
        if is_console(back):
            raise web.HTTPFound(back)
        return web.Response(text="Signed out.")

    def _by_code(self, form: dict[str, str]) -> tuple[Person, str] | None:
        until, person, asked = self._codes.pop(form.get("code", ""), (0.0, Person((), 0), {}))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        fits = asked.get("code_challenge") == challenge.rstrip(b"=").decode()
        same = asked.get("redirect_uri") == form.get("redirect_uri")
        return (person, asked.get("nonce", "")) if fits and same and time.monotonic() < until else None

    def _by_refresh(self, form: dict[str, str]) -> tuple[Person, str] | None:
        return self._refresh.get(form.get("refresh_token", ""))

    def _client_info(self, person: Person) -> str:
        told: dict[str, Any] = {"uid": person.object_id, "utid": self.tenant}
        return base64.urlsafe_b64encode(json.dumps(told).encode()).rstrip(b"=").decode()


def is_console(url: str) -> bool:
    """Whether a URL is a console's on this machine: nowhere else is anybody sent."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost") and parts.path == "/console/"


def _choice(asked: dict[str, str], roles: str) -> str:
    link = html.escape("?" + urlencode({**asked, "login_hint": roles}))
    return f'<li><a href="{link}">{roles}</a></li>'


def _cors(request: web.Request) -> dict[str, str]:
    origin = request.headers.get("Origin", "")
    return {"Access-Control-Allow-Origin": origin} if is_console(f"{origin}/console/") else {}
