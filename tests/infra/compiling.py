"""Part of what the Bicep compiler and its linter would say, which cannot be run here."""

import posixpath
import re
from collections.abc import Iterator

from lark import Token

from .bicep import MAIN, Declared, File, Files, Node, at, functions, literal, members, names, written

NAMESPACES = {"sys", "az"}
FUNCTIONS = set(
    re.findall(
        r"\w+",
        """any array base64 cidrSubnet concat contains deployment empty endsWith environment filter first flatten format
        guid indexOf int items join json last length loadJsonContent loadTextContent map max min padLeft range reduce
        replace resourceGroup resourceId sort split startsWith string subscription subscriptionResourceId substring take
        tenant toLower toUpper trim union uniqueString uri""",
    )
)
"""Those that this deployment may use; add to it what Bicep has."""

_TYPES = {"string", "int", "bool", "object", "array"}
_RETURNS = {"string": "string", "empty": "bool", "union": "object", "concat": "array", "toLower": "string"}


def complaints(files: Files) -> list[str]:
    """Names that nobody declares or uses, modules called wrongly, parameters nobody explains."""
    return [f"{file.name}: {said}" for file in files.values() for said in _of_file(file, files)]


def _of_file(file: File, files: Files) -> Iterator[str]:
    symbols = [each.name for each in file.declared if each.kind != "output"]
    yield from (f"{name} is declared twice" for name in sorted({n for n in symbols if symbols.count(n) > 1}))
    used = {name[0] for each in file.declared for name in names(each.value)}
    for each in file.declared:
        inner = _loop_variables(each)
        unknown = {name[0] for name in names(each.value)} - set(symbols) - inner - NAMESPACES
        yield from (f"{each.name} uses {name}, which is not declared" for name in sorted(unknown))
        called = functions(each.value) - FUNCTIONS if each.value is not None else set()
        yield from (f"{each.name} calls {name}, which is no function known here" for name in sorted(called))
        if (each.kind in ("param", "var") or each.existing) and each.name not in used:
            yield f"{each.kind} {each.name} is not used"
        if each.kind in ("param", "output") and not _explained(each):
            yield f"{each.kind} {each.name} has no @description"
        if each.kind == "module":
            yield from _call(each, file, files)


def _loop_variables(each: Declared) -> set[str]:
    loops = each.value.find_pred(lambda t: str(t.data).startswith("loop_")) if each.value is not None else ()
    return {str(token) for loop in loops for token in loop.children if isinstance(token, Token)}


def _explained(each: Declared) -> bool:
    return len(each.decorators.get("description", "").strip("'")) > 10


def _call(module: Declared, file: File, files: Files) -> Iterator[str]:
    called = _file_of(module, file, files)
    if called is None:
        yield f"module {module.name} is at {module.type}, where there is no file"
        return
    wanted = {param.name: param for param in called.all("param")}
    outputs = {output.name for output in called.all("output")}
    passed = at(module.object, "params")
    given = members(passed) if passed is not None else {}
    yield from (f"module {module.name} has no parameter {name}" for name in sorted(given.keys() - wanted.keys()))
    for name, param in wanted.items():
        if name not in given:
            if param.value is None and not param.type.endswith("?"):
                yield f"module {module.name} is not given {name}"
            continue
        type_given = _type(given[name], file, files)
        if type_given and param.type in _TYPES and type_given != param.type:
            yield f"module {module.name} takes {name} as {param.type} and is given a {type_given}"
        if _is_secure(given[name], file) and "secure" not in param.decorators:
            yield f"module {module.name} takes the secret {name} without @secure()"
    for each in file.declared:
        for used in names(each.value):
            if used[:2] == (module.name, "outputs") and used[2] not in outputs:
                yield f"{each.name} reads {used[2]} of module {module.name}, which has no such output"


def _file_of(module: Declared, file: File, files: Files) -> File | None:
    return files.get(posixpath.normpath(posixpath.join(posixpath.dirname(file.name), module.type)))


def _type(value: Node, file: File, files: Files) -> str:
    """As far as it is plain to see."""
    known = literal(value)
    if known is not None:
        return {str: "string", int: "int", bool: "bool"}[type(known)]
    if value.data in ("object", "array"):
        return str(value.data)
    if value.data == "function":
        return _RETURNS.get(str(value.children[0]).rstrip("("), "")
    text = written(value, file.text)
    if text.startswith("'"):
        return "string"
    plain = re.fullmatch(r"(\w+)(?:\.outputs\.(\w+))?", text)
    declared = [each for each in file.declared if plain and each.name == plain[1] and each.kind != "output"]
    if not plain or not declared:
        return ""
    if plain[2]:
        called = _file_of(declared[0], file, files)
        return next((each.type for each in called.all("output") if each.name == plain[2]), "") if called else ""
    if declared[0].kind == "var" and declared[0].value is not None:
        return _type(declared[0].value, file, files)
    return declared[0].type if declared[0].kind == "param" else ""


def _is_secure(value: Node, file: File) -> bool:
    secure = {param.name for param in file.all("param") if "secure" in param.decorators}
    return any(name[0] in secure for name in names(value))


def unreachable(files: Files) -> list[str]:
    """Files that main.bicep does not call, directly or through others."""
    found, waiting = {MAIN}, [MAIN]
    while waiting:
        file = files[waiting.pop()]
        called = {each.name for module in file.all("module") if (each := _file_of(module, file, files))}
        waiting += sorted(called - found)
        found |= called
    return sorted(files.keys() - found)
