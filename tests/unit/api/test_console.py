"""How the console's files are served: known names only, compressed, once for good, and under a policy of their own."""

import gzip
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import azure.functions as func
import pytest
from cryptography.fernet import Fernet

from shared.api import console
from shared.api.http import routing
from shared.api.http.auth import Role
from shared.api.http.routing import Routes
from shared.app import App
from shared.provisioning.steps import STEPS
from shared.settings import Settings, read_settings

LEAST = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "SECRETS_KEY": Fernet.generate_key().decode()}
ENTRA = {
    "ENTRA_TENANT_ID": "235ec2cb-0767-40b3-a1de-4da2c42b19e9",
    "ENTRA_CLIENT_ID": "3b735b14-de6f-4cf8-adc6-da7eaccbdc31",
}
HERE = console.FOLDER
SOURCES = sorted(path for path in HERE.rglob("*") if path.is_file() and "vendor" not in path.parts)


@pytest.fixture(autouse=True)
def _files() -> Iterator[None]:
    yield
    console._files.cache_clear()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a browser is sent: `serve("style.css", if_none_match="…")`."""

    def ask(path: str, settings: Settings | None = None, url: str = "", **headers: str) -> func.HttpResponse:
        app = cast(App, SimpleNamespace(settings=settings or read_settings({**LEAST, **ENTRA})))
        monkeypatch.setattr(routing, "get_app", lambda: app)
        request = func.HttpRequest(
            "GET",
            url or f"https://app.example/console/{path}",
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            route_params={"path": path} if path else {},
            body=b"",
        )
        return routing.serve(request, (), console.get)

    return ask


def version(serve: Any) -> str:
    found = re.search(r'href="([0-9a-f]{12})/style\.css"', serve("").get_body().decode())
    assert found is not None
    return found[1]


def test_the_page_is_asked_for_again_each_time_and_its_files_never(serve: Any) -> None:
    page = serve("")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert page.headers["Cache-Control"] == "no-cache"
    now = version(serve)
    for name, media_type in (("app.js", "text/javascript"), ("style.css", "text/css"), ("icon.svg", "image/svg+xml")):
        served = serve(f"{now}/{name}")
        assert (served.status_code, served.mimetype) == (200, media_type)
        assert served.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert served.get_body() == (HERE / name).read_bytes()


def test_the_reference_of_the_api_is_a_page_of_its_own(serve: Any) -> None:
    page = serve("reference")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert page.headers["Cache-Control"] == "no-cache"
    assert page.headers["Content-Security-Policy"] == serve("").headers["Content-Security-Policy"]
    text = page.get_body().decode()
    assert f'src="{version(serve)}/reference/app.js"' in text
    assert "{v}" not in text
    assert "msal" not in text  # it needs no sign-in


def test_a_page_of_an_older_version_still_finds_its_files(serve: Any) -> None:
    served = serve("0123456789ab/pages/keys.js")
    assert served.get_body() == (HERE / "pages/keys.js").read_bytes()
    assert served.headers["Cache-Control"] == "no-cache"
    assert serve("pages/keys.js").headers["Cache-Control"] == "no-cache"


def test_who_takes_gzip_gets_it_and_who_has_it_gets_nothing(serve: Any) -> None:
    plain, zipped = serve("style.css"), serve("style.css", accept_encoding="br, gzip")
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped.get_body()) == plain.get_body()
    assert len(zipped.get_body()) < len(plain.get_body()) / 2
    assert zipped.headers["ETag"] == plain.headers["ETag"]
    assert zipped.headers["Vary"] == "Accept-Encoding"
    known = serve("style.css", if_none_match=plain.headers["ETag"])
    assert (known.status_code, known.get_body()) == (304, b"")


@pytest.mark.parametrize(
    "name", ["../app.py", "..%2Fapp.py", "%2e%2e/app.py", "/etc/passwd", "vendor", "pages/", "nothing.js", "a/b/app.js"]
)
def test_there_is_nothing_but_the_files_of_the_console(serve: Any, name: str) -> None:
    assert serve(name).status_code == 404
    assert serve(f"{version(serve)}/{name}").status_code == 404


def test_without_its_slash_the_address_leads_to_the_page(serve: Any) -> None:
    moved = serve("", url="https://app.example/console")
    assert (moved.status_code, moved.headers["Location"]) == (302, "console/")


def test_the_policy_lets_the_page_run_nothing_but_its_files(serve: Any) -> None:
    policy = dict(part.split(" ", 1) for part in serve("").headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["img-src"] == "'self'"
    assert policy["connect-src"] == "'self' https://login.microsoftonline.com"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert (policy["require-trusted-types-for"], policy["trusted-types"]) == ("'script'", "lit-html")
    headers = serve("").headers
    assert (headers["X-Frame-Options"], headers["Cross-Origin-Opener-Policy"]) == ("DENY", "same-origin")
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer")
    assert serve("style.css").headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize(
    ("cloud", "login"),
    [
        ("global", "login.microsoftonline.com"),
        ("gcchigh", "login.microsoftonline.us"),
        ("china", "login.partner.microsoftonline.cn"),
    ],
)
def test_each_cloud_signs_in_at_its_own_place(serve: Any, cloud: str, login: str) -> None:
    settings = read_settings({**LEAST, **ENTRA, "ENTRA_CLOUD": cloud})
    page = serve("", settings)
    assert f"connect-src 'self' https://{login};" in page.headers["Content-Security-Policy"]
    assert told(page)["authority"] == f"https://{login}/{ENTRA['ENTRA_TENANT_ID']}"


def told(page: func.HttpResponse) -> dict[str, Any]:
    """How the page is told to sign in."""
    found = re.search(r'name="tenant-hooks" content="([^"]*)"', page.get_body().decode())
    assert found is not None
    config: dict[str, Any] = json.loads(unescape(found[1]))
    return config


def test_a_deployment_in_which_nobody_can_sign_in_says_so(serve: Any) -> None:
    assert "ENTRA_TENANT_ID" in told(serve("", read_settings(LEAST)))["problem"]
    local = read_settings({**LEAST, **ENTRA, "DANGEROUS_TRUST_LOCAL_ISSUER": "http://127.0.0.1:7080"})
    assert told(serve("", local))["local"]["token_endpoint"] == "http://127.0.0.1:7080/token"


def test_without_its_libraries_the_page_says_what_is_missing(
    serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index.html").write_text("x")
    monkeypatch.setattr(console, "FOLDER", tmp_path)
    page = serve("")
    assert (page.status_code, page.mimetype) == (503, "text/html")
    assert "vendor/lit-html.js" in page.get_body().decode()
    assert "infra/scripts/console.sh" in page.get_body().decode()


def test_the_root_and_the_console_take_get_alone() -> None:
    routes = Routes(func.FunctionApp())
    routes.page("console_home", "", console.home)
    routes.page("console_file", "console", console.get)
    for path in ("/", "/console", "/console/", "/console/a/b.js"):
        assert routes.methods_of(path) == ["GET", "HEAD"], path
    assert routes.methods_of("/consoles") == []
    assert routes.methods_of("/other") == []


def test_a_path_that_is_spelt_out_takes_its_own_methods_alone() -> None:
    routes = Routes(func.FunctionApp())
    routes.route("thing_get", "GET", "v1.0/things/{id}", console.home, anybody=True)
    routes.route("thing_match", "POST", "v1.0/things/match", console.home, anybody=True)
    assert routes.methods_of("/v1.0/things/Match") == ["POST"]
    assert routes.methods_of("/v1.0/things/other") == ["GET", "HEAD"]


# The files themselves


def imported(path: Path) -> set[str]:
    """What a module imports, and so on, by names in the folder; itself too."""
    found = {path.relative_to(HERE).as_posix()}
    for name in re.findall(r'from "([^"]+)"', path.read_text(encoding="utf-8")):
        found |= imported((path.parent / name).resolve())
    return found


@pytest.mark.parametrize(("name", "entry"), [("index.html", "app.js"), ("reference.html", "reference/app.js")])
def test_every_module_that_is_imported_is_loaded_ahead_and_no_other(name: str, entry: str) -> None:
    """Else the browser would learn of them one after the other."""
    page = (HERE / name).read_text(encoding="utf-8")
    assert re.findall(r'script type="module" src="\{v\}/([^"]+)"', page) == [entry]
    assert set(re.findall(r'modulepreload" href="\{v\}/([^"]+)"', page)) == imported(HERE / entry) - {entry}


def test_no_module_is_there_that_no_page_has() -> None:
    there = {path.relative_to(HERE).as_posix() for path in SOURCES if path.suffix == ".js"}
    assert there | {"vendor/lit-html.js"} == imported(HERE / "app.js") | imported(HERE / "reference/app.js")


def test_each_role_opens_a_page() -> None:
    """Whoever has one is let in: there must be something to see."""
    app = (HERE / "app.js").read_text(encoding="utf-8")
    names = dict(re.findall(r'(\w+) = "(Point\.\w+)"', app))
    opening = {name for roles in re.findall(r"roles: \[([^\]]*)\]", app) for name in re.findall(r"\w+", roles)}
    assert {names[name] for name in opening} | {Role.ADMIN} == set(Role)


def test_the_steps_of_a_request_are_those_that_it_goes_through() -> None:
    page = (HERE / "pages/workspaces.js").read_text(encoding="utf-8")
    [told] = re.findall(r"export const STEPS = \{\n(.*?)\n\};", page, re.DOTALL)
    steps = {kind: re.findall(r'"(\w+)"', names) for kind, names in re.findall(r"(\w+): \[([^\]]*)\]", told)}
    assert steps == {kind: [*names] for kind, names in STEPS.items()}
    [words] = re.findall(r"const STEP_WORDS = \{\n(.*?)\n\};", page, re.DOTALL)
    assert {step for names in steps.values() for step in names} <= set(re.findall(r"(\w+): \"", words))


def test_imports_are_static_and_of_files_that_are_there() -> None:
    """A page that is open while another version is deployed asks for nothing that is gone."""
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert "import(" not in text, path
        for name in re.findall(r'from "([^"]+)"', text):
            target = (path.parent / name).resolve().relative_to(HERE.resolve()).as_posix()
            assert target == "vendor/lit-html.js" or (HERE / target).is_file(), (path, name)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_makes_markup_of_text(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|unsafeHTML|document\.write|\beval\(|new Function|style=|onclick="
    )
    assert re.findall(forbidden, text) == []
    assert re.findall(r"(?:src|href)=\"https?:", text) == []


def test_tokens_stay_in_the_one_file_that_signs_in() -> None:
    """The reference has a command that gets one, to be copied."""
    for path in SOURCES:
        text = (
            path.read_text(encoding="utf-8")
            .replace("az account get-access-token", "")
            .replace("--query accessToken", "")
        )
        if path.name != "signin.js":
            assert "accessToken" not in text, path
            assert "Bearer" not in text, path


def test_modules_stay_short_enough_to_be_read() -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {name: lines for name, lines in lengths.items() if lines > 250 and not name.endswith(".css")} == {}
