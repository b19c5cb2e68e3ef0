"""The signature key that Syskit Point's contract shows."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.settings import Settings
from shared.storage import snapshot
from shared.storage.cipher import Cipher
from shared.storage.clients import Services
from shared.storage.signature_keys import Options

from .conftest import Calls
from .scene import THURSDAY


@pytest.fixture
def options(services: Services, cipher: Cipher) -> Options:
    return Options(services, cipher)


def test_the_key_is_a_guid_made_on_first_use_and_kept(options: Options, settings: Settings, cipher: Cipher) -> None:
    key = options.signature_key(THURSDAY)
    assert str(uuid.UUID(key)) == key
    assert Options(Services(settings), cipher).signature_key(THURSDAY) == key


def test_instances_that_start_at_once_make_one_key(settings: Settings, cipher: Cipher) -> None:
    start = threading.Barrier(4)

    def read(_: int) -> str:
        options = Options(Services(settings), cipher)
        start.wait()
        return options.signature_key(THURSDAY)

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(read, range(4)))) == 1


def test_the_key_is_read_at_most_every_few_seconds(
    options: Options, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    options.signature_key(THURSDAY)
    calls.clear()
    assert len({options.signature_key(THURSDAY) for _ in range(20)}) == 1
    assert calls == []
    monkeypatch.setattr(snapshot, "CACHE_SECONDS", -1.0)
    options.signature_key(THURSDAY)
    assert len(calls) == 1


def test_the_key_is_not_in_the_table_in_the_clear(options: Options, services: Services) -> None:
    key = options.signature_key(THURSDAY)
    rows = list(services.table("options").query("PartitionKey ne @nothing", {"nothing": ""}))
    assert rows
    assert key not in repr([dict(row) for row in rows])


def test_a_ping_reaches_storage_before_there_is_a_table(options: Options, calls: Calls) -> None:
    options.ping()
    assert len(calls) == 1
