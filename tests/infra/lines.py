"""The log lines that the code can write, read from the code itself: names and fields of each call of `shared.logs`."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from .bicep import ROOT

Lines = Mapping[str, set[str]]


_LEVELS = ("info", "warning", "error")


def written(folder: Path = ROOT) -> Lines:
    """By name, the fields of every line that function_app.py and shared/ write."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in [folder / "function_app.py", *sorted((folder / "shared").rglob("*.py"))]:
        for function, call in _calls(ast.parse(path.read_text("utf-8"))):
            fields = {str(keyword.arg) for keyword in call.keywords}
            if function == "audit":
                found["audit"] |= {"actor", "action"} | fields
                continue
            name = call.args[0]
            plain = isinstance(name, ast.Constant) and all(keyword.arg for keyword in call.keywords)
            assert plain, f"{path}:{call.lineno}: a name or field that is not written out cannot be checked"
            found[name.value] |= fields  # type: ignore[attr-defined]
    return found


def _calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of = node.func.value
            if isinstance(of, ast.Name) and of.id == "logs" and node.func.attr in (*_LEVELS, "audit"):
                yield node.func.attr, node
