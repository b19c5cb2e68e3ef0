"""What the documentation points at is there: files, and headings of pages."""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "examples", "infra", "integrations", "local")
PAGES = [*sorted(ROOT.glob("*.md")), *(page for folder in FOLDERS for page in sorted((ROOT / folder).rglob("*.md")))]

_FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
_FILE = re.compile(r"`((?:shared|tests|local|unit|integration|e2e|faults|infra|docs)/[\w./-]*\.\w+)`")


@pytest.fixture(params=PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def page(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for path, anchor in _LINK.findall(prose(page)):
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            dead.append(f"{path}#{anchor}")
    assert dead == []


def test_files_that_are_named_exist(page: Path) -> None:
    """In back quotes, from the project's root; those of tests also from there."""
    named = _FILE.findall(prose(page))
    assert [name for name in named if not (ROOT / name).exists() and not (ROOT / "tests" / name).exists()] == []


def repeated(texts: list[str]) -> list[str]:
    return [text for text, count in Counter(texts).items() if count > 1]


def test_the_threat_model_says_of_each_role_and_promise_once_what_holds() -> None:
    """A merge that keeps both sides of a row contradicts itself."""
    sections = (ROOT / "docs/security.md").read_text("utf-8").split("\n## ")
    for name in ("Who can do what", "What is promised"):
        [section] = [each for each in sections if each.startswith(name)]
        assert repeated(re.findall(r"^\| ([^|]+?) \|", section, re.MULTILINE)) == []


def test_the_changelog_has_a_section_of_each_kind_and_each_change_once() -> None:
    for version in (ROOT / "CHANGELOG.md").read_text("utf-8").split("\n## ")[1:]:
        assert repeated(re.findall(r"^### (.+)$", version, re.MULTILINE)) == []
        assert repeated(re.findall(r"^- (.{40})", version, re.MULTILINE)) == []
