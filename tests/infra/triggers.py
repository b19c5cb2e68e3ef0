"""The triggers of function_app.py, read from its text: what the deployment names must be there."""

import ast
from collections.abc import Iterator

from .bicep import ROOT


def names() -> set[str]:
    """The name of every function: those with a trigger above them, and those of the table of routes."""
    functions = {
        node.name
        for node in _statements(_tree().body)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.decorator_list
    }
    return functions | {str(ast.literal_eval(call.args[0])) for call in _routes()}


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Those of a module; a trigger may be there under a condition."""
    for node in body:
        yield node
        if isinstance(node, ast.If):
            yield from _statements(node.body)


def open_paths() -> set[str]:
    """The paths of the routes that are for anybody and of the pages, but the root: the platform may take it for all
    that is below it."""
    is_open = [call for call in _routes() if any(keyword.arg == "anybody" for keyword in call.keywords)]
    pages = [str(ast.literal_eval(call.args[1])) for call in _routes() if ast.unparse(call.func) == "http.page"]
    folders = {path for page in pages if page for path in (f"/{page}", f"/{page}/*")}
    return folders | {"/" + str(ast.literal_eval(call.args[2])) for call in is_open}


def _routes() -> Iterator[ast.Call]:
    for node in ast.walk(_tree()):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("http.route", "http.page", "http.otherwise"):
            yield node


def _tree() -> ast.Module:
    return ast.parse((ROOT / "function_app.py").read_text("utf-8"))
