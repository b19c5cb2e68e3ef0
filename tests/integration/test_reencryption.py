"""Rotation of SECRETS_KEY: two keys are listed, everything is written anew, the old key goes. And what is encrypted
belongs where it is."""

import base64
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet

from doubles import registering
from shared.model import Auth, endpoint_id
from shared.settings import Settings, SettingsError
from shared.storage import cipher as cipher_module
from shared.storage.cipher import Cipher
from shared.storage.clients import Services
from shared.storage.endpoints import Endpoints
from shared.storage.reencryption import reencrypt
from shared.storage.signature_keys import Options

from .conftest import KEY, Calls
from .scene import THURSDAY, URL

NEW = Fernet.generate_key().decode()
URLS = [f"{URL}&n={number}" for number in range(3)]


@pytest.fixture
def _rows_of_old(settings: Settings) -> None:
    """Endpoints, one with rotated secrets, and a rotated signature key, all under the old key."""
    endpoints, options = stores(settings, KEY)
    for url in URLS:
        registering.register(endpoints, url, THURSDAY, owner="somebody", name="SIEM")
    registering.rotate(endpoints, endpoint_id(URLS[0]), THURSDAY, THURSDAY + timedelta(days=1))
    registering.fail(endpoints, endpoints.read_all()[0], "delivery", THURSDAY)
    options.rotate_signature_key(THURSDAY, THURSDAY + timedelta(days=1))


def stores(settings: Settings, *keys: str) -> tuple[Endpoints, Options]:
    """As an instance has them that was started with these keys."""
    services, cipher = Services(settings), Cipher(keys)
    return Endpoints(services, cipher), Options(services, cipher)


@pytest.mark.usefixtures("_rows_of_old")
def test_after_a_rotation_the_old_key_is_not_needed(settings: Settings, calls: Calls) -> None:
    old_endpoints, old_options = stores(settings, KEY)
    expected = old_endpoints.read_all(), old_options.signature_keys(THURSDAY)
    assert any(endpoint.old_secrets for endpoint in expected[0])
    assert expected[1].following
    with pytest.raises(SettingsError):
        stores(settings, NEW)[0].read_all()
    endpoints, options = stores(settings, NEW, KEY)
    assert (endpoints.read_all(), options.signature_keys(THURSDAY)) == expected, "both keys read"
    assert reencrypt(endpoints, options) == len(URLS) + 1
    endpoints, options = stores(settings, NEW)
    assert (endpoints.read_all(), options.signature_keys(THURSDAY)) == expected, "the new key is enough"
    with pytest.raises(SettingsError):
        stores(settings, KEY)[0].read_all()
    calls.clear()
    assert reencrypt(*stores(settings, NEW, KEY)) == 0
    assert {method for method, _ in calls} == {"GET"}, "a second run writes nothing"


@pytest.mark.usefixtures("_rows_of_old")
def test_what_was_written_under_the_new_key_meanwhile_is_left_alone(settings: Settings) -> None:
    endpoints, options = stores(settings, NEW, KEY)
    registering.modify(endpoints, endpoint_id(URLS[1]), THURSDAY, name="Jira")
    assert reencrypt(endpoints, options) == len(URLS)
    named = {endpoint.url: endpoint.name for endpoint in stores(settings, NEW)[0].read_all()}
    assert named == {URLS[0]: "SIEM", URLS[1]: "Jira", URLS[2]: "SIEM"}


def test_with_nothing_registered_only_the_signature_key_is_there(settings: Settings) -> None:
    stores(settings, KEY)[1].signature_key(THURSDAY)
    assert reencrypt(*stores(settings, NEW, KEY)) == 1
    assert reencrypt(*stores(settings, NEW, KEY)) == 0


@pytest.mark.usefixtures("_rows_of_old")
def test_what_is_moved_to_another_row_or_property_is_not_taken(settings: Settings) -> None:
    """Who can write to the tables had one endpoint's secret and password used for another."""
    table = Services(settings).table("endpoints")
    one, other = (table.get("endpoints", endpoint_id(url)) for url in URLS[:2])
    assert one is not None
    assert other is not None
    for name in ("Url", "Secret"):
        table.upsert({**other, name: one[name]})
        with pytest.raises(SettingsError, match=f"endpoints/{endpoint_id(URLS[1])}/{name}"):
            stores(settings, KEY)[0].read_all()
    table.upsert({**other, "Secret": other["Url"]})
    with pytest.raises(SettingsError):
        stores(settings, KEY)[0].read_all()


def test_what_an_earlier_version_wrote_is_read_and_bound_by_the_timer(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:  # as it encrypted
        patch.setattr(cipher_module, "_fernet", lambda key, place: Fernet(base64.urlsafe_b64encode(key)))
        endpoints, options = stores(settings, KEY)
        registering.register(endpoints, URL, THURSDAY, auth=Auth(type="basic", username="u", password="p"))
        expected = endpoints.read_all(), options.signature_keys(THURSDAY)
    endpoints, options = stores(settings, KEY)
    assert (endpoints.read_all(), options.signature_keys(THURSDAY)) == expected
    assert reencrypt(endpoints, options) == 2
    assert (endpoints.read_all(), options.signature_keys(THURSDAY)) == expected
    assert reencrypt(endpoints, options) == 0
