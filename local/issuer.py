"""A token issuer for this machine: it stands in for Microsoft Entra."""

import base64
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from local.keyfiles import make_once
from local.signin import SignIn

CLAIMS = {
    "iss": "urn:tenant-hooks:local-issuer",
    "aud": "api://tenant-hooks-local",
    "tid": "00000000-0000-4000-8000-000000000001",
    "oid": "00000000-0000-4000-8000-000000000002",
    "azp": "00000000-0000-4000-8000-000000000003",
    "ver": "2.0",
}


@dataclass(frozen=True)
class SigningKey:
    id: str
    private: RSAPrivateKey

    def public_jwk(self) -> dict[str, Any]:
        jwk = jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**jwk, "kid": self.id, "use": "sig", "alg": "RS256", "key_ops": ["verify"]}


def read_key(path: Path) -> SigningKey:
    """The key in the PEM file `path`; its id is made of the public key, so another key has another id."""
    private = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(private, RSAPrivateKey):
        raise ValueError(f"{path.name} holds no RSA key")
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return SigningKey(base64.urlsafe_b64encode(hashlib.sha256(public).digest()[:15]).decode(), private)


def new_key_pem() -> bytes:
    return generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def sign_token(key: SigningKey, roles: Sequence[str], expires_in_seconds: int = 3600, **claims: Any) -> str:
    """A bearer token that every app trusts which was started from this clone. `claims` replace the usual ones."""
    now = int(time.time())
    times = {"iat": now, "nbf": min(now, now + expires_in_seconds), "exp": now + expires_in_seconds}
    return jwt.encode(
        {**CLAIMS, **times, "roles": list(roles), **claims}, key.private, algorithm="RS256", headers={"kid": key.id}
    )


def make_issuer(key_file: Path) -> web.Application:
    """The server of the public key, and of signing in to the console. The file is read anew each time, so a key that is
    exchanged in it is served at once."""
    make_once(key_file, new_key_pem)

    async def give_keys(_request: web.Request) -> web.Response:
        return web.Response(
            text=json.dumps({"keys": [read_key(key_file).public_jwk()]}), content_type="application/json"
        )

    app = web.Application()
    app.router.add_get("/keys", give_keys)
    sign_in = SignIn(
        lambda *given, **claims: sign_token(read_key(key_file), *given, **claims), CLAIMS["tid"], CLAIMS["azp"]
    )
    sign_in.add_to(app)
    return app
