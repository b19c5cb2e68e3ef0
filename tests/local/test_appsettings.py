"""The app's settings on this machine: where they come from, and what wins."""

import asyncio
import base64
import json
import os
import stat
import threading
from pathlib import Path

import pytest

from local import azurite
from local.appsettings import merge, needs_azurite, read_values
from local.azurite import connection_string
from local.keyfiles import make_once, secrets_key
from local.m365.graph import GraphStandIn
from local.ports import free_ports
from local.problem import Problem
from local.stack import Plan, host_environment


def write_settings(root: Path, name: str, **values: object) -> None:
    (root / name).write_text(json.dumps({"IsEncrypted": False, "Values": values}), encoding="utf-8")


def make_plan(root: Path, values: dict[str, str], environment: dict[str, str]) -> Plan:
    return Plan(root=root, port=1, azurite_port=5000, receiver_port=2, values=values, environment=environment)


def test_own_settings_come_before_the_sample(tmp_path: Path) -> None:
    write_settings(tmp_path, "local.settings.sample.json", TENANT_ID="sample")
    assert read_values(tmp_path) == {"TENANT_ID": "sample"}
    write_settings(tmp_path, "local.settings.json", TENANT_ID="mine", DEDUPE_HOURS=3, DANGEROUS=True)
    assert read_values(tmp_path) == {"TENANT_ID": "mine", "DEDUPE_HOURS": "3", "DANGEROUS": "true"}
    assert read_values(tmp_path, sample=True) == {"TENANT_ID": "sample"}


def test_a_file_that_cannot_be_read_is_told_with_the_place(tmp_path: Path) -> None:
    """PowerShell 5.1 writes UTF-16 where it is told nothing else."""
    path = tmp_path / "local.settings.json"
    path.write_text('{\n  "Values": {,}\n}', encoding="utf-8")
    with pytest.raises(Problem, match=r"local\.settings\.json is no JSON from line 2, column 14 on: correct it there"):
        read_values(tmp_path)
    path.write_text("{}", encoding="utf-16")
    with pytest.raises(Problem, match=r"local\.settings\.json is not UTF-8: save it in that encoding"):
        read_values(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"Values": 3}', '{"IsEncrypted": true, "Values": {}}'])
def test_unusable_settings_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "local.settings.json").write_text(text, encoding="utf-8")
    with pytest.raises(Problem, match=r"local\.settings\.json"):
        read_values(tmp_path)


def test_the_environment_overrides_the_file() -> None:
    assert merge({"RETRY_DELAYS": "30", "TENANT_ID": "a"}, {"RETRY_DELAYS": "1"}) == {
        "RETRY_DELAYS": "1",
        "TENANT_ID": "a",
    }


def test_storage_named_for_an_identity_replaces_a_connection_string() -> None:
    values = {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}
    environment = {"AzureWebJobsStorage__accountName": "contoso"}
    assert not needs_azurite(values, environment)
    assert merge(values, environment) == environment


@pytest.mark.parametrize(
    ("in_file", "in_environment", "needed"),
    [
        ("UseDevelopmentStorage=true", {}, True),
        ("UseDevelopmentStorage=true", {"AzureWebJobsStorage": "AccountName=a;…"}, False),
        ("UseDevelopmentStorage=true", {"AzureWebJobsStorage": ""}, True),
        ("AccountName=a;…", {}, False),
    ],
)
def test_azurite_is_needed_where_no_account_is_named(
    in_file: str, in_environment: dict[str, str], needed: bool
) -> None:
    assert needs_azurite({"AzureWebJobsStorage": in_file}, in_environment) is needed


def test_the_host_gets_what_only_this_start_knows(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}, {"LANG": "C"})
    graph = GraphStandIn()
    environment = host_environment(plan, "http://127.0.0.1:7", "http://127.0.0.1:8", graph)
    assert environment == {
        "LANG": "C",
        "AzureWebJobsStorage": connection_string(5000),
        "DANGEROUS_TRUST_LOCAL_ISSUER": "http://127.0.0.1:7",
        "SECRETS_KEY": secrets_key(tmp_path / ".local"),
        "GRAPH_BASE_URL": "http://127.0.0.1:8",
        "GRAPH_ACCESS_TOKEN": graph.token,
        "MANAGEMENT_BASE_URL": "http://127.0.0.1:8",
        "MANAGEMENT_ACCESS_TOKEN": graph.activity.token,
        "SHAREPOINT_BASE_URL": "http://127.0.0.1:8",
        "SHAREPOINT_ACCESS_TOKEN": graph.token,
        "PROVISIONING_KINDS": "teams,groups,sites,yammer",
        "MAIL_SENDERS": "alerts@contoso.com",
        "STORAGE_SCAN_SCHEDULE": "0 20 */6 * * *",
    }
    assert "QueueEndpoint=http://127.0.0.1:5001/devstoreaccount1;" in environment["AzureWebJobsStorage"]


def test_what_its_owner_has_set_is_kept(tmp_path: Path) -> None:
    given = {
        "AzureWebJobsStorage": "AccountName=a;…",
        "SECRETS_KEY": "k",
        "DANGEROUS_TRUST_LOCAL_ISSUER": "",
        "GRAPH_BASE_URL": "https://graph.microsoft.us",
        "MANAGEMENT_BASE_URL": "https://manage.office365.us",
        "STORAGE_SCAN_SCHEDULE": "0 0 5 * * *",
    }
    plan = make_plan(tmp_path, {}, given)
    assert host_environment(plan, "http://127.0.0.1:7", "http://127.0.0.1:8", GraphStandIn()) == given
    assert not (tmp_path / ".local").exists()


def test_the_secrets_key_is_made_once(tmp_path: Path) -> None:
    key = secrets_key(tmp_path)
    assert len(base64.urlsafe_b64decode(key)) == 32
    assert secrets_key(tmp_path) == key
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.key"]
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "secrets.key").stat().st_mode) == 0o600


def test_of_two_that_make_a_file_at_once_one_wins(tmp_path: Path) -> None:
    both_are_making = threading.Barrier(2, timeout=20)

    def make(content: bytes) -> None:
        def wait_and_give() -> bytes:
            both_are_making.wait()
            return content

        make_once(tmp_path / "key", wait_and_give)

    threads = [threading.Thread(target=make, args=(content,)) for content in (b"one", b"two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (tmp_path / "key").read_bytes() in (b"one", b"two")
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_in_which_nothing_can_be_kept_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    async def start() -> None:
        async with azurite.running(tmp_path, free_ports(3), tmp_path / "file" / "data", tmp_path / "log"):
            pass

    with pytest.raises(Problem, match=r"Nothing can be kept in .*data .*Choose another folder with --data"):
        asyncio.run(start())
