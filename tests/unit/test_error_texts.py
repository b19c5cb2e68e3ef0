"""What an exception says ends up in the log: it must hold no secret."""

import logging
import traceback

import pytest
from cryptography.fernet import Fernet
from pydantic import ValidationError

from shared.model import Endpoint, Event
from shared.settings import SettingsError, read_settings
from shared.storage import clients
from shared.storage.clients import Services, StorageUnavailable

HIDDEN = "hidden-7f3a"
LEAST = {"SECRETS_KEY": Fernet.generate_key().decode()}
SAS = f"TableEndpoint=http://127.0.0.1:9/x;QueueEndpoint=http://127.0.0.1:9/x;SharedAccessSignature=sv=1&sig={HIDDEN}"


def test_a_row_that_does_not_fit_shows_no_value() -> None:
    """As after going back to an older version. Pydantic's own text quotes what it was given."""
    for kind, given in (
        (Endpoint, {"url": f"https://x/?{HIDDEN}", "secret": HIDDEN}),
        (Event, {"content": {"password": HIDDEN}, "severity": HIDDEN}),
    ):
        with pytest.raises(ValidationError) as caught:
            kind.model_validate(given)
        assert HIDDEN not in f"{caught.value} {caught.value!r}"


def test_storage_out_of_reach_shows_no_shared_access_signature(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """urllib3 quotes the URL, which carries the signature; the host logs an exception with its causes."""
    monkeypatch.setitem(clients.RETRIES, "retry_total", 0)
    monkeypatch.setitem(clients.QUEUE_RETRIES, "retry_total", 0)
    services = Services(read_settings(LEAST | {"AzureWebJobsStorage": SAS}))
    with caplog.at_level(logging.INFO), pytest.raises(StorageUnavailable) as caught:
        services.table("options").get("partition", "row")
    assert HIDDEN not in "".join(traceback.format_exception(caught.value))
    assert HIDDEN not in caplog.text


@pytest.mark.parametrize("name", ["SECRETS_KEY", "ENTRA_CLIENT_ID", "DANGEROUS_TRUST_LOCAL_ISSUER", "RETRY_DELAYS"])
def test_wrong_settings_show_no_value(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(LEAST | {"AzureWebJobsStorage": SAS, name: HIDDEN})
    text = "".join(traceback.format_exception(caught.value))
    assert name in text
    assert HIDDEN not in text
