"""A managed identity: the endpoint at which Azure Functions gives tokens (version 2019-08-01), as azure-identity asks
it. The tokens say nothing but for whom they are."""

import secrets
import time
from dataclasses import dataclass, field

from aiohttp import web

RESOURCE_NOT_FOUND = "api://nobody"


@dataclass
class Identity:
    url: str = ""
    header: str = field(default_factory=lambda: secrets.token_hex(8))
    asked: list[str] = field(default_factory=list)
    """The audiences, in the order in which they were asked for."""
    mark: str = field(default_factory=lambda: f"TOKEN-{secrets.token_hex(8)}")
    """In every token."""

    @property
    def settings(self) -> dict[str, str]:
        """Of an app that has this identity."""
        return {"IDENTITY_ENDPOINT": f"{self.url}/msi/token", "IDENTITY_HEADER": self.header}

    def token(self, audience: str) -> str:
        return f"{self.mark}.{audience.encode().hex()}"

    async def give(self, request: web.Request) -> web.Response:
        if request.headers.get("X-IDENTITY-HEADER") != self.header:
            return web.json_response({"statusCode": 401, "message": "no header"}, status=401)
        audience = request.query["resource"]
        self.asked.append(audience)
        if audience == RESOURCE_NOT_FOUND:
            said = f"AADSTS500011: The resource principal named {audience} was not found in the tenant."
            return web.json_response({"statusCode": 400, "message": said}, status=400)
        return web.json_response(
            {
                "access_token": self.token(audience),
                "expires_on": str(int(time.time()) + 86_400),
                "resource": audience,
                "token_type": "Bearer",
            }
        )


def make_identity(identity: Identity) -> web.Application:
    app = web.Application()
    app.router.add_get("/msi/token", identity.give)
    return app
