"""`/console/`: the web console. Its files are in shared/console/; the libraries that they use are in vendor/ there,
which infra/scripts/console.mjs makes. All of them are read once, compressed, and served from memory."""

import functools
import gzip
import hashlib
import html
import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from shared.api.http.auth import LOCAL_TENANT
from shared.api.http.call import Request, Response
from shared.api.http.problem import not_found
from shared.model.clouds import CLOUDS
from shared.settings import Settings

FOLDER = Path(__file__).parents[1] / "console"
VENDOR = ("vendor/lit-html.js", "vendor/msal-browser.min.js")
"""What the page cannot do without."""
PAGES = {"": "index.html", "reference": "reference.html"}
"""The pages by their paths, with their files."""
LOCAL_CLIENT = "00000000-0000-4000-8000-000000000003"
"""The application in the tokens of the local issuer."""

_MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
"""By suffix; what has another one is not served. (What the library knows of them differs between machines.)"""
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"
_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "X-Frame-Options": "DENY",
    "Vary": "Accept-Encoding",
}
_MISSING = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Tenant Hooks</title>
<h1>There is no console here</h1>
<p>The API works. The page lacks libraries that were left out of this deployment: {}.</p>
<p>Run this in the project's folder (on Windows console.ps1; it needs Node.js), and deploy again:</p>
<pre>infra/scripts/console.sh</pre>
</html>
"""


@dataclass(frozen=True)
class File:
    """A file as it is sent; `tag` names its content."""

    media_type: str
    data: bytes
    zipped: bytes
    tag: str


@dataclass(frozen=True)
class Files:
    """All of them by their path in the folder, and `version`, which names their contents."""

    by_name: dict[str, File]
    version: str

    @property
    def missing(self) -> list[str]:
        return [name for name in VENDOR if name not in self.by_name]


def home(request: Request) -> Response:
    """Leads from the root to the console. Relative: the app may stand behind a gateway's path."""
    return Response(302, headers={"Location": "console/"})


def get(request: Request) -> Response:
    """The page at `/console/`, and that at `/console/reference`; below them the files, with the version before their
    names for good, without it for now. Raises Problem 404."""
    name = request.raw.route_params.get("path", "")
    if not name and not urlsplit(str(request.raw.url)).path.endswith("/"):
        return home(request)
    if name in PAGES:
        return _page(request, PAGES[name])
    files = _files(FOLDER)
    version, _, rest = name.partition("/")
    dated = version == files.version
    found = files.by_name.get(rest if dated or name not in files.by_name else name)
    if found is None:
        raise not_found("There is no such file: the console is at /console/")
    return _sent(request, found, _FOR_EVER if dated else _ASK_AGAIN)


def _page(request: Request, name: str) -> Response:
    files = _files(FOLDER)
    if files.missing:
        said = _MISSING.format(", ".join(files.missing)).encode()
        return Response(503, data=said, headers={"Content-Type": "text/html"})
    settings = request.app.settings
    text = files.by_name[name].data.decode()
    text = text.replace("{v}", files.version).replace("{config}", html.escape(json.dumps(config(settings))))
    sent = _sent(request, _file(".html", text.encode()), _ASK_AGAIN)
    sent.headers["Content-Security-Policy"] = content_security_policy(settings)
    return sent


def config(settings: Settings) -> dict[str, object]:
    """How to sign in. Nothing of it is secret: tenant and application are in the address of every sign-in. Where nobody
    can sign in, `problem` says what the deployment lacks."""
    issuer = settings.trusted_local_issuer
    if issuer:
        return {
            "clientId": LOCAL_CLIENT,
            "authority": f"https://{urlsplit(issuer).hostname}/{LOCAL_TENANT}",
            "local": {
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/authorize",
                "token_endpoint": f"{issuer}/token",
                "jwks_uri": f"{issuer}/keys",
                "end_session_endpoint": f"{issuer}/logout",
            },
        }
    if settings.entra_client_id and settings.entra_tenant_id:
        login = CLOUDS[settings.entra_cloud].login
        authority = f"https://{login}/{settings.entra_tenant_id}"
        return {"clientId": settings.entra_client_id, "authority": authority}
    return {"problem": "Nobody can sign in yet: this deployment lacks ENTRA_TENANT_ID and ENTRA_CLIENT_ID."}


def content_security_policy(settings: Settings) -> str:
    """What the page may do: run its own files, and ask the API and the place of sign-in. Trusted Types: no text becomes
    markup but through lit-html's templates."""
    sign_in = settings.trusted_local_issuer or f"https://{CLOUDS[settings.entra_cloud].login}"
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            f"connect-src 'self' {sign_in}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types lit-html",
        )
    )


def _sent(request: Request, file: File, cache_control: str) -> Response:
    headers = {**_HEADERS, "Cache-Control": cache_control, "ETag": file.tag, "Content-Type": file.media_type}
    if file.tag in (request.header("if-none-match") or ""):
        return Response(304, headers=headers)
    if "gzip" not in (request.header("accept-encoding") or "").lower():
        return Response(200, data=file.data, headers=headers)
    return Response(200, data=file.zipped, headers={**headers, "Content-Encoding": "gzip"})


@functools.cache
def _files(folder: Path) -> Files:
    """Read at the first request: a start does not wait for it. Names are those of a list, never joined to a path."""
    found = {
        path.relative_to(folder).as_posix(): _file(path.suffix, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in _MEDIA_TYPES
    }
    digest = hashlib.sha256("".join(f"{name}{file.tag}" for name, file in found.items()).encode())
    return Files(found, digest.hexdigest()[:12])


def _file(suffix: str, data: bytes) -> File:
    """The tag is weak: compressed or not, it is the same content."""
    tag = f'W/"{hashlib.sha256(data).hexdigest()[:24]}"'
    return File(_MEDIA_TYPES[suffix], data, gzip.compress(data, mtime=0), tag)
