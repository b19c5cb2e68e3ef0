"""Every Bicep file parses, agrees with Azure's schemas, and calls what exists."""

import datetime
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import lark
import pytest

from .bicep import INFRA, ROOT, at, deployed, expression, files, members, names, read
from .compiling import complaints, unreachable

CHECKER = ROOT.parent / "shared" / "tools" / "check_bicep.py"
TEXTS = deployed()
KEY_VAULT, MAIN, APP = "modules/keyvault.bicep", "main.bicep", "modules/app.bicep"


def changed(name: str, old: str, new: str) -> dict[str, str]:
    assert TEXTS[name].count(old) >= 1, f"{name} no longer has {old!r}: change this test with it"
    return TEXTS | {name: TEXTS[name].replace(old, new, 1)}


@pytest.mark.parametrize("name", TEXTS)
def test_it_parses(name: str) -> None:
    assert read(name, TEXTS[name]).declared


@pytest.mark.parametrize("file", [p.relative_to(INFRA).as_posix() for p in sorted(INFRA.rglob("*.json"))])
def test_json_parses(file: str) -> None:
    assert json.loads((INFRA / file).read_text("utf-8"))


def test_a_file_that_is_no_bicep_does_not() -> None:
    with pytest.raises(lark.UnexpectedInput):
        read("broken.bicep", TEXTS[MAIN] + "\nresource without 'a type' = \n")


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("'b-${toLower(c.d)}-${e}'", {("c", "d"), ("e",)}),
        ("a.b == c ? d.e : f", {("a", "b"), ("c",), ("d", "e"), ("f",)}),
        ("a[b.c].d", {("a", "d"), ("b", "c")}),
        ("environment().suffixes.storage", set()),
        ("{ a: b, 'c': 'd' }", {("b",)}),
        ("a!.outputs.b ?? c", {("a", "outputs", "b"), ("c",)}),
    ],
)
def test_every_name_in_an_expression_is_seen(text: str, used: set[tuple[str, ...]]) -> None:
    assert set(names(expression(text))) == used


def test_names_are_declared_and_used_and_modules_called_as_they_wish() -> None:
    assert complaints(files(TEXTS)) == []
    assert unreachable(files(TEXTS)) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        (MAIN, "name: names.storage\n    location: location", "name: names.storage\n    location: locaton",
         "storage uses locaton, which is not declared"),
        (MAIN, "'id-${token}'", "'id-${tokn}'", "names uses tokn, which is not declared"),
        (MAIN, "toLower(uniqueString", "lower(uniqueString", "token calls lower, which is no function known here"),
        (MAIN, "redundancy: storageRedundancy", "redundncy: storageRedundancy",
         "module storage has no parameter redundncy"),
        (MAIN, "    isPrivate: privateNetwork\n", "", "module storage is not given isPrivate"),
        (MAIN, "isPrivate: privateNetwork", "isPrivate: location", "takes isPrivate as bool and is given a string"),
        (MAIN, "DEDUPE_HOURS: string(dedupeHours)", "DEDUPE_HOURS: ''", "param dedupeHours is not used"),
        (MAIN, "zoneRedundant: zoneRedundant", "zoneRedundant: instanceMemoryMB",
         "takes zoneRedundant as bool and is given a int"),
        (MAIN, "subnetId: privateNetwork ?", "subnetId: storage.outputs.subnet ?",
         "app reads subnet of module storage, which has no such output"),
        (MAIN, "'modules/roles.bicep'", "'modules/rules.bicep'", "where there is no file"),
        (MAIN, "var tags = {", "var location = 'x'\nvar tags = {", "location is declared twice"),
        (KEY_VAULT, "@secure()\n", "", "module keyVault takes the secret secretsKey without @secure()"),
        (KEY_VAULT, "@description('Azure region.')\n", "", "param location has no @description"),
    ],
)  # fmt: skip
def test_what_the_compiler_would_refuse_is_found(name: str, old: str, new: str, said: str) -> None:
    assert any(said in complaint for complaint in complaints(files(changed(name, old, new))))


def test_a_module_that_nobody_calls_is_found() -> None:
    assert unreachable(files(TEXTS | {"modules/lost.bicep": "param a string\n"})) == ["modules/lost.bicep"]


@pytest.fixture(scope="module")
def checker() -> ModuleType:
    """The tool that knows Azure's resource types; it and its data lie beside the clone, where CI puts them too."""
    if not CHECKER.exists():
        pytest.skip(f"{CHECKER} is not here: property names are not checked against Azure's schemas")
    spec = importlib.util.spec_from_file_location("check_bicep", CHECKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LOST = ".description: unknown property"
"""The checker's data came without any property of this name; Azure's alert rules and role assignments have it."""


NOT_STORED = {
    "Microsoft.Network/networkSecurityGroups",
    "Microsoft.Insights/dataCollectionRules",
    "Microsoft.OperationalInsights/workspaces/savedSearches",
    "Microsoft.OperationalInsights/workspaces/tables",
    "Microsoft.SecurityInsights/alertRules",
}
"""Types that the checker's data leaves out as resources of their own."""


@pytest.mark.parametrize("name", TEXTS)
def test_it_agrees_with_the_schemas(name: str, checker: ModuleType) -> None:
    found = [line for line in checker.check_file(INFRA / name) if not line.endswith(LOST)]
    assert [line for line in found if not any(f"no schema for {kind}@" in line for kind in NOT_STORED)] == []


def test_the_security_group_agrees_with_the_schema_of_the_subnet_that_may_hold_it(
    checker: ModuleType, tmp_path: Path
) -> None:
    text = TEXTS["modules/network.bicep"]
    group = re.search(r"resource guard '[^']+' = \{\n  name: .*?\n(.*?\n)\}\n", text, re.DOTALL)
    assert group is not None

    def found_in(body: str) -> list[str]:
        file = tmp_path / "network.bicep"
        file.write_text(text.replace(group[0], "").replace("            id: guard.id\n", body), "utf-8")
        found: list[str] = checker.check_file(file)
        return found

    assert found_in(group[1]) == []
    misspelt = found_in(group[1].replace("direction:", "directon:", 1))
    assert [line.split(".")[-1] for line in misspelt] == [
        "directon: unknown property",
        "direction: required, missing",
    ]


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        (APP, "httpsOnly: true", "httpsonly: true", "httpsonly: unknown property (did you mean httpsOnly?)"),
        (APP, "serverFarmId: plan.id", "serverFarmId: plan.id\n    state: 'Running'", "state: read-only"),
        (KEY_VAULT, "    tenantId: tenant().tenantId\n", "", "tenantId: required, missing"),
        (KEY_VAULT, "vaults@2025-05-01' = {", "vaults@2001-01-01' = {", "no schema for Microsoft.KeyVault/vaults"),
    ],
)
def test_what_the_schemas_refuse_is_found(
    name: str, old: str, new: str, said: str, checker: ModuleType, tmp_path: Path
) -> None:
    file = tmp_path / "changed.bicep"
    file.write_text(changed(name, old, new)[name], "utf-8")
    assert any(said in found for found in checker.check_file(file))


CHECKED_ON = datetime.date(2026, 11, 27)
"""When the API versions were last looked through; a version may be two years old then."""


@pytest.mark.parametrize("name", TEXTS)
def test_no_api_version_is_old_where_there_is_a_newer_one(name: str) -> None:
    types = CHECKER.parent / "azure-types"
    if not types.exists():
        pytest.skip(f"{types} is not here: nobody knows which API versions there are")
    known = [path.stem.lower() for path in types.glob("*@*.json")]
    for used in sorted(set(re.findall(r"'(Microsoft\.[\w./]+@[\w-]+)'", TEXTS[name]))):
        stem, version = used.lower().replace("/", "_").split("@")
        if used.split("@")[0] in NOT_STORED:
            continue
        newest = max(found.split("@")[1] for found in known if found.startswith(f"{stem}@"))
        age = CHECKED_ON - datetime.date.fromisoformat(version[:10])
        assert version == newest or age.days <= 730, f"{used} is {age.days} days old; there is {newest}"


@pytest.mark.parametrize("path", sorted([*INFRA.rglob("*.bicep"), *(ROOT / "integrations").rglob("*.bicep")]), ids=str)
def test_it_is_formatted_as_bicep_does(path: Path) -> None:
    """Those rules of `bicep format` that hand-written files have broken, as its PrettyPrintV2 has them."""
    text = path.read_bytes().decode("utf-8")
    assert "\r" not in text
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert re.findall(r"[ \t]+$|\n\n\n|\t", text, re.MULTILINE) == []
    assert re.findall(r"^.*\[for .*[{\[(]$", text, re.MULTILINE) == [], (
        "a loop that is broken begins on a line of its own"
    )
    assert re.findall(r"^.*[{\[(] *//.*$", text, re.MULTILINE) == [], "a comment stands below the bracket"
    assert re.findall(r"^.* \? .* : .*[{\[(]$", text, re.MULTILINE) == [], "a broken conditional has three lines"
    code = [re.sub(r" // .*", "", line) for line in text.splitlines() if not line.lstrip().startswith("//")]
    assert [
        line for line in code if len(line) > 120 and re.search(r" \? |\(.*,|\[for ", line) and "@" not in line
    ] == []


MAKERS = {
    "identity": "identity",
    "storage": "storage",
    "keyVault": "keyVault",
    "logAnalytics": "monitoring",
    "applicationInsights": "monitoring",
    "actionGroup": "monitoring",
    "network": "network",
    "plan": "app",
    "app": "app",
    "dataCollectionRule": "ingestion",
}
"""Which module makes what main.bicep names."""


def test_modules_are_given_names_and_not_outputs_which_what_if_does_not_know() -> None:
    file = files(TEXTS)[MAIN]
    assert set(members(file.one("names").object)) == set(MAKERS)
    given = {used for module in file.all("module") for used in names(module.value) if "outputs" in used}
    assert given == {("identity", "outputs", "principalId")}


def test_what_is_named_is_made_before() -> None:
    """An output would bring that order about by itself."""
    file = files(TEXTS)[MAIN]
    subnet = {("names", "network")} if "appSubnetId" in file.one("app").text else set()
    for module in file.all("module"):
        listed = {used[0] for used in names(at(module.object, "dependsOn"))}
        used = {name for name in names(at(module.object, "params")) if name[0] == "names"}
        used |= subnet if module.name == "app" else set()
        needed = {MAKERS[name[1]] for name in used} - {module.name}
        assert needed <= listed, module.name
