"""Bicep as data: what a file declares, and which names an expression uses. The grammar is pycep's."""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lark import Token, Tree
from pycep import BicepParser

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
MAIN = "main.bicep"

Node = Tree[Token]


@dataclass(frozen=True)
class Declared:
    """One statement: kind is param, var, resource, module or output."""

    kind: str
    name: str
    type: str
    """Data type of a parameter or output, `Provider/type@version` of a resource, path of a module."""
    decorators: Mapping[str, str]
    """By name, with the text of the argument."""
    value: Node | None
    """What stands after the equals sign."""
    text: str
    """From the keyword on, as it is written."""
    existing: bool = False

    @property
    def object(self) -> Node:
        """The object between the outermost braces, whatever condition or loop is around it."""
        found = _outermost_object(self.value) if self.value is not None else None
        assert found is not None, f"{self.name} has no object"
        return found


@dataclass(frozen=True)
class File:
    """A Bicep file, read."""

    name: str
    """Relative to infra/, with forward slashes."""
    text: str
    declared: tuple[Declared, ...]

    def all(self, kind: str) -> list[Declared]:
        return [each for each in self.declared if each.kind == kind]

    def resources(self, resource_type: str) -> list[Declared]:
        """Those of a type, whatever the version, that the file makes."""
        return [r for r in self.all("resource") if not r.existing and r.type.split("@")[0] == resource_type]

    def one(self, name: str) -> Declared:
        [found] = [each for each in self.declared if each.name == name and each.kind != "output"]
        return found


Files = Mapping[str, File]


@functools.cache
def parser() -> BicepParser:
    return BicepParser(cache=False)


@functools.cache
def read(name: str, text: str) -> File:
    """Raises lark's UnexpectedInput where the text is no Bicep."""
    tree = parser().lark_parser.parse(text)
    kinds = ("param", "var", "resource", "module", "output")
    statements = [child for child in tree.children if isinstance(child, Tree) and child.data in kinds]
    return File(name, text, tuple(_declared(statement, text) for statement in statements))


def deployed() -> dict[str, str]:
    """The text of every Bicep file of the deployment, by name."""
    return {path.relative_to(INFRA).as_posix(): path.read_text("utf-8") for path in sorted(INFRA.rglob("*.bicep"))}


def files(texts: Mapping[str, str]) -> Files:
    return {name: read(name, text) for name, text in texts.items()}


def _declared(statement: Node, text: str) -> Declared:
    decorators = statement.children[0]
    rest = [child for child in statement.children[1:] if child is not None]
    value = next((c for c in reversed(rest[1:]) if isinstance(c, Tree) and c.data not in _TYPES), None)
    typed = next((c for c in rest if isinstance(c, Tree) and c.data in _TYPES), None)
    return Declared(
        kind=str(statement.data),
        name=str(rest[0]),
        type=written(typed, text).strip("'") if typed else "",
        decorators=dict(_decorator(each, text) for each in _trees(decorators)),
        value=value,
        text=written(statement, text)[len(written(decorators, text)) if isinstance(decorators, Tree) else 0 :],
        existing="existing" in [str(child) for child in rest if isinstance(child, Token)][1:],
    )


_TYPES = ("data_type", "type_api_pair", "module_path")


def _trees(node: object) -> list[Node]:
    return [child for child in node.children if isinstance(child, Tree)] if isinstance(node, Tree) else []


def _outermost_object(node: Node) -> Node | None:
    """Looked for from the end: a condition or a loop's source stands before the object that it is about."""
    if node.data == "object":
        return node
    return next((found for child in reversed(_trees(node)) if (found := _outermost_object(child))), None)


def _decorator(decorator: Node, text: str) -> tuple[str, str]:
    name, _, argument = written(decorator, text).removeprefix("@").partition("(")
    return name, argument.rpartition(")")[0].strip()


def written(node: Node | None, text: str) -> str:
    """The text that a node stands for."""
    return text[node.meta.start_pos : node.meta.end_pos] if node is not None and not node.meta.empty else ""


def members(node: Node) -> dict[str, Node]:
    """The properties of an object that are written out in it; of `union(a, {…})`, those of every object in it."""
    if node.data == "function":
        return {name: value for part in _trees(node) for name, value in members(part).items()}
    pairs = [pair for pair in _trees(node) if pair.data == "pair"] if node.data == "object" else []
    return {"".join(map(str, pair.children[0].children)).strip("'"): pair.children[1] for pair in pairs}  # type: ignore[union-attr, misc]


def at(node: Node, path: str) -> Node | None:
    """The property at a dotted path; None where it is not written out."""
    found: Node | None = node
    for name in path.split("."):
        found = members(found).get(name) if found is not None else None
    return found


def literal(node: Node | None) -> str | int | bool | None:
    """A string, number or truth value as it is written out; None for an expression."""
    if node is None or node.data in ("true", "false"):
        return None if node is None else node.data == "true"
    if node.data not in ("string", "int_type"):
        return None
    token = str(node.children[0])
    if node.data == "int_type":
        return int(token)
    return token[1:-1].replace("\\'", "'") if token.startswith("'") and "${" not in token else None


def names(node: Node | None) -> Iterator[tuple[str, ...]]:
    """Every name that an expression uses, with what is read from it: `a.b.c` is (a, b, c)."""
    if node is None:
        return
    if node.data == "string":
        token = str(node.children[0])
        if not token.startswith("'"):
            yield (token,)
        for inner in re.findall(r"\$\{([^}]*)\}", token):
            yield from names(expression(inner))
    elif node.data in ("property_accessor", "nested_resource_accessor"):
        # The grammar reads `a.b == c ? d : e` as `a.(b == c ? d : e)`: the first name after the dot is the member.
        owner, rest = _trees(node)
        member, *others = list(names(rest)) or [()]
        [head, *indexes] = list(names(owner)) or [()]
        yield from filter(None, [(*head, *member) if head else (), *indexes, *others])
    else:
        for child in _trees(node):
            yield from names(child) if child.data != "key" else ()


@functools.cache
def expression(text: str) -> Node:
    """The tree of an expression by itself."""
    found = read("expression", f"var expression = {text}\n").declared[0].value
    assert found is not None, text
    return found


def functions(node: Node) -> set[str]:
    """The functions that are called, inside strings too."""
    called = {str(f.children[0]).rstrip("(") for f in node.find_data("function")}
    called |= {str(f.children[1]) for f in node.find_data("function_accessor")}
    for token in node.scan_values(lambda value: isinstance(value, Token) and value.startswith("'")):
        for inner in re.findall(r"\$\{([^}]*)\}", token):
            called |= functions(expression(inner))
    return called
