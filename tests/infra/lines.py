"""The log lines that the code can write, read from the code itself: names and fields of each call of `write_line`."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from .bicep import ROOT

Lines = Mapping[str, set[str]]


def written(folder: Path = ROOT) -> Lines:
    """By name, the fields of every line that function_app.py and shared/ write."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in [folder / "function_app.py", *sorted((folder / "shared").rglob("*.py"))]:
        for call in _calls(ast.parse(path.read_text("utf-8"))):
            name = call.args[0]
            plain = isinstance(name, ast.Constant) and all(keyword.arg for keyword in call.keywords)
            assert plain, f"{path}:{call.lineno}: a name or field that is not written out cannot be checked"
            found[name.value] |= {str(keyword.arg) for keyword in call.keywords if keyword.arg != "level"}  # type: ignore[attr-defined]
    return found


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            if "write_line" in (getattr(called, "id", ""), getattr(called, "attr", "")):
                yield node
