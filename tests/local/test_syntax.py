"""The PowerShell and C# of this repository parses, in files and in pages, on machines that have no compiler for it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from known_answers import ROOT

from grammars import c_sharp_faults, powershell_faults

FOLDERS = ("docs", "examples", "infra", "integrations", "local")
FILES = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*"))]
PAGES = [*sorted(ROOT.glob("*.md")), *(file for file in FILES if file.suffix == ".md")]
CHECKS = {"csharp": c_sharp_faults, "powershell": powershell_faults}


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """The code of this language in pages, each with its page and first line."""
    for page in PAGES:
        text = page.read_text("utf-8")
        for match in re.finditer(rf"^( *)```{language}\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL):
            yield f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 2}", match[2]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [file for file in FILES if file.suffix in (".ps1", ".psm1", ".psd1")], ids=named)
def test_a_powershell_file(path: Path) -> None:
    assert powershell_faults(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", [file for file in FILES if file.suffix == ".cs"], ids=named)
def test_a_csharp_file(path: Path) -> None:
    assert c_sharp_faults(path.read_text("utf-8")) == []


@pytest.mark.parametrize("language", CHECKS)
def test_the_code_in_pages(language: str) -> None:
    found = {where: faults for where, code in blocks(language) if (faults := CHECKS[language](code))}
    assert found == {}
    assert list(blocks(language))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("if ($a { 1 }\n", "line 1"),
        ("function f( {}\n", "line 1"),
        ("$a = 1\n$b = @{ a = \n", "line 2"),
        ("$a -cin 1, 2\n", ""),
        ("$a ?? 'b'\n", ""),
    ],
)
def test_what_powershell_would_refuse_is_found(text: str, told: str) -> None:
    assert [fault.partition(":")[0] for fault in powershell_faults(text)][:1] == ([told] if told else [])


def test_what_csharp_would_refuse_is_found() -> None:
    assert c_sharp_faults("class A { void B() { var x = ; } }") != []
