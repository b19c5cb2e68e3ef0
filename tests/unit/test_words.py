"""Comments, docstrings and pages point at what all readers have: headings of docs/, or public documents by name."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (".github", "docs", "examples", "infra", "integrations", "local", "shared", "tests")
KINDS = {".bicep", ".cjs", ".cs", ".json", ".kql", ".md", ".mjs", ".ps1", ".psm1", ".py", ".sh", ".toml", ".yml"}

PRIVATE = re.compile(
    "\N{SECTION SIGN}"  # "section 4.2" of something public is written out
    r"|\bseeds? 0\d\d\b"
    r"|\breference[ /][a-z-]+\.md\b"
    r"|\bthe design('s)?\b",
    re.IGNORECASE,
)
_PATH = re.compile(r"\b(?:shared|tests|local|infra|docs)/[\w/-]+\.(?:py|md|bicep|kql)\b")
_HEADING = re.compile(r'docs/(\w+)\.md, "([^"]+)"')


def texts() -> Iterator[Path]:
    yield from (path for path in ROOT.iterdir() if path.is_file() and path.suffix in KINDS)
    for folder in FOLDERS:
        yield from (path for path in sorted((ROOT / folder).rglob("*")) if path.suffix in KINDS)


FILES = [path for path in texts() if path != Path(__file__) and "node_modules" not in path.parts]


def test_nothing_points_at_notes_that_a_reader_does_not_have() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in FILES
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if PRIVATE.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "# design \N{SECTION SIGN}3",
        "(seed 004)",
        "(seeds 000-002)",
        "see reference power-platform.md",
        "as the design says",
    ],
)
def test_such_a_pointer_would_be_found(line: str) -> None:
    assert PRIVATE.search(line)


def test_files_and_headings_that_code_names_are_there() -> None:
    lost = []
    for path in FILES:
        if path.suffix == ".py":
            text = " ".join(path.read_text("utf-8").split())
            lost += [f"{path.relative_to(ROOT)}: {name}" for name in _PATH.findall(text) if not (ROOT / name).exists()]
            for page, heading in _HEADING.findall(text):
                if f"# {heading}\n" not in (ROOT / "docs" / f"{page}.md").read_text("utf-8"):
                    lost.append(f"{path.relative_to(ROOT)}: docs/{page}.md has no heading {heading!r}")
    assert lost == []


def test_a_tests_name_is_short_enough_to_say_one_thing() -> None:
    named = [
        name
        for path in FILES
        if path.suffix == ".py"
        for name in re.findall(r"def (test_\w+)", path.read_text("utf-8"))
    ]
    assert [name for name in named if len(name) > 80] == []
