"""Parsers for languages whose own compilers need not be on the machine that runs the tests."""

import re
from collections.abc import Iterator

import tree_sitter_c_sharp
import tree_sitter_pwsh
from tree_sitter import Language, Node, Parser

_C_SHARP = Parser(Language(tree_sitter_c_sharp.language()))
_POWERSHELL = Parser(Language(tree_sitter_pwsh.language()))
# The grammar lacks the comparison operators that say that case counts.
_WITH_CASE = re.compile(r"(?<= -)c(?=(?:not)?(?:in|contains)\b)")


def c_sharp_faults(text: str) -> list[str]:
    """Where `text` is no C#, as `line 3: …`; none where it parses."""
    return list(_faults(_C_SHARP, text))


def powershell_faults(text: str) -> list[str]:
    """Where `text` is no PowerShell 7, as `line 3: …`; none where it parses."""
    return list(_faults(_POWERSHELL, _WITH_CASE.sub("", text)))


def powershell_functions(text: str) -> dict[str, Node]:
    """The functions that a script or module declares, by name."""
    tree = _POWERSHELL.parse(text.encode())
    found = [node for node in _all(tree.root_node) if node.type == "function_statement"]
    return {_text(next(each for each in node.children if each.type == "function_name")): node for node in found}


def _faults(parser: Parser, text: str) -> Iterator[str]:
    for node in _all(parser.parse(text.encode()).root_node):
        if node.type == "ERROR" or node.is_missing:
            shown = _text(node).partition("\n")[0] or f"{node.type} is missing"
            yield f"line {node.start_point.row + 1}: {shown}"


def _all(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _all(child)


def _text(node: Node) -> str:
    return (node.text or b"").decode()
