"""The floors of the house: which module may import which, and how large anything may be. By reading the code alone."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = (
    ("model",),
    ("settings", "identity", "logs"),
    ("storage", "outbound", "formats", "m365"),
    ("app",),
    ("delivery", "timers"),
    ("admin", "usage", "sharing", "provisioning"),
    ("api",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
PURE = ("model", "formats")
IMPURE = {"os", "io", "socket", "ssl", "threading", "time", "random", "urllib3", "requests", "azure"}
ONLY_IN: dict[str, tuple[str, ...]] = {
    "os": ("settings", "outbound.failures", "outbound.remainder"),  # these two for an error's words and a descriptor
    "azure.data": ("storage",),
    "azure.storage": ("storage",),
    "azure.core": ("storage", "identity"),
    "azure.identity": ("identity",),
    "azure.functions": ("api.http",),
    "urllib3": ("outbound", "m365", "storage.transport", "storage.loop_clients"),
    "requests": ("m365",),
    "aiohttp": ("outbound", "storage", "api.http.issuer_keys"),
}
"""A package, and the only rooms that may import it."""

LONGEST_FUNCTION, LONGEST_MODULE = 40, 300

MODULES = {
    ".".join(path.relative_to(ROOT / "shared").with_suffix("").parts).removesuffix(".__init__"): path
    for path in (ROOT / "shared").rglob("*.py")
}


def imports(path: Path) -> Iterator[str]:
    """Every module that is imported, wherever in the file; `from shared import app` imports shared.app."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (
                [f"shared.{alias.name}" for alias in node.names] if node.module == "shared" else [node.module or ""]
            )


def within(name: str, *places: str) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


def problem(module: str, imported: str) -> str | None:
    """Why a module may not import another, or None."""
    room, other = module.partition(".")[0], imported.removeprefix("shared.").partition(".")[0]
    if within(imported, "local", "tests"):
        return "what is deployed imports nothing of it"
    if room in PURE and imported.partition(".")[0] in IMPURE:
        return "pure rooms do no I/O and read no clock"
    for package, places in ONLY_IN.items():
        if within(imported, package) and not within(module, *places):
            return f"only {' and '.join(places)} may"
    if not imported.startswith("shared.") or other == "__version__" or room == other:
        return "the http room knows no resource" if _knows_a_resource(module, imported) else None
    if FLOOR[other] >= FLOOR[room]:
        return "imports go down"
    if FLOOR[room] == FLOOR["usage"] and room != "admin" and other == "delivery":
        return None if imported == "shared.delivery.publisher" else "capabilities take only the publisher"
    return None


def _knows_a_resource(module: str, imported: str) -> bool:
    return within(module, "api.http") and within(imported, "shared.api") and not within(imported, "shared.api.http")


def test_every_room_has_a_floor() -> None:
    assert {name.partition(".")[0] for name in MODULES if name != "__init__"} <= FLOOR.keys()


def test_imports_go_down_and_each_package_has_its_room() -> None:
    wrong = {
        (module, imported): why
        for module, path in MODULES.items()
        for imported in imports(path)
        if module != "__init__" and (why := problem(module, imported))
    }
    assert not wrong, wrong


def test_no_module_is_too_long() -> None:
    lines = {module: len(path.read_text("utf-8").splitlines()) for module, path in MODULES.items()}
    assert not {module: count for module, count in lines.items() if count > LONGEST_MODULE}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_function_is_too_long(module: str) -> None:
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < LONGEST_FUNCTION, node.name
