"""`dev.py demo`, `start` and `token` install requirements-local.txt alone: it names all that they import."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

from local import ROOT

OURS = {"local", "shared", "function_app", "dev"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def named(file: str) -> Iterator[str]:
    """The distributions of a requirements file and of those that it includes."""
    for line in (ROOT / file).read_text("utf-8").splitlines():
        if line.startswith("-r "):
            yield from named(line.removeprefix("-r "))
        elif match := re.match(r"[A-Za-z][\w.-]*", line):
            yield normal(match[0])


def with_what_they_need(names: set[str]) -> set[str]:
    found, left = set[str](), set(names)
    while left:
        name = left.pop()
        found.add(name)
        try:
            needed = requires(name) or []
        except PackageNotFoundError:
            continue  # for another Python or another system
        left |= {normal(re.split(r"[^\w.-]", each, maxsplit=1)[0]) for each in needed if "extra ==" not in each} - found
    return found


def imported(folder: str) -> Iterator[tuple[Path, str]]:
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name.partition(".")[0]) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                yield path, (node.module or "").partition(".")[0]


def test_what_runs_the_app_here_is_in_the_lean_set() -> None:
    installed = with_what_they_need(set(named("requirements-local.txt")))
    by_module = packages_distributions()
    missing = {
        f"{path.relative_to(ROOT)}: {module}"
        for folder in ("local", "shared")
        for path, module in imported(folder)
        if module not in sys.stdlib_module_names | OURS
        and not installed & {normal(name) for name in by_module.get(module, [module])}
    }
    assert missing == set()


def test_nothing_of_the_lean_set_is_named_twice() -> None:
    names = list(named("requirements-dev.txt"))
    assert {name for name in names if names.count(name) > 1} <= {"azure-functions"}  # a line for each library
