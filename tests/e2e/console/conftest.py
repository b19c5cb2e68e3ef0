"""The console in a real browser, under its real content security policy. A test fails on any error that the page tells
its console of, and so on anything that the policy forbids."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from e2e.conftest import App
from local import browser as browsers

ROOT = Path(__file__).parents[3]
AXE = ROOT / "node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
TELL_OF_VIOLATIONS = """addEventListener('securitypolicyviolation',
    (event) => console.error('CSP', event.violatedDirective, event.blockedURI, event.sample))"""

expect.set_options(timeout=15_000)


@dataclass
class Console:
    """A person in front of the console. `wrong` is what the page complained of; a test that expects a complaint takes
    it out."""

    page: Page
    url: str
    wrong: list[str] = field(default_factory=list)

    def open(self, path: str, roles: str = "Point.Admin", heading: str | None = None) -> None:
        """Signs in as the holder of these roles (separated by `+`), on a page of the console."""
        self.page.goto(f"{self.url}?as={roles.replace('+', '%2B')}#/{path}")
        expect(self.page.get_by_role("heading", level=1)).to_be_visible()
        if heading is not None:
            expect(self.page.get_by_role("heading", level=1)).to_have_text(heading)

    def go(self, path: str, heading: str) -> None:
        self.page.evaluate("(path) => { location.hash = `#/${path}`; }", path)
        expect(self.page.get_by_role("heading", level=1)).to_have_text(heading)

    def settle(self) -> None:
        """Until nothing is loading."""
        expect(self.page.locator("[aria-busy=true]")).to_have_count(0)

    def check_accessibility(self) -> None:
        """By axe-core, as the page is now. Evaluated, since the policy lets no script of others in."""
        self.settle()
        if not self.page.evaluate("() => 'axe' in globalThis"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("(rules) => axe.run(document, {runOnly: rules})", RULES)
        wrong = [
            (each["id"], each["help"], [node["target"] for node in each["nodes"]][:3]) for each in found["violations"]
        ]
        assert not wrong, f"{self.page.url}: {wrong}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Not for longer: while it is there, Playwright has a loop run in this thread, in which others could run none."""
    path = browsers.find()
    if path is None:
        pytest.skip(browsers.MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


MakeConsole = Callable[..., Console]


@pytest.fixture
def make_console(browser: Browser, app: App) -> Iterator[MakeConsole]:
    """A person with a browser of their own: `make_console(color_scheme="dark")`."""
    made: list[tuple[BrowserContext, Console]] = []

    def make(url: str = "", **options: Any) -> Console:
        usual = {"timezone_id": "Europe/Berlin", "locale": "en-GB", "reduced_motion": "reduce"}
        context = browser.new_context(**{**usual, "viewport": {"width": 1280, "height": 900}, **options})
        context.add_init_script(TELL_OF_VIOLATIONS)
        console = Console(context.new_page(), f"{url or app.host.url}/console/")
        console.page.on("console", lambda said: console.wrong.extend([said.text] if said.type == "error" else []))
        console.page.on("pageerror", lambda error: console.wrong.append(str(error)))
        made.append((context, console))
        return console

    yield make
    for context, console in made:
        context.close()
        assert console.wrong == []


@pytest.fixture
def console(make_console: MakeConsole) -> Console:
    return make_console()
