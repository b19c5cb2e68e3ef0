"""Connections to storage."""

from cryptography.fernet import Fernet

from doubles.samples import NOW
from shared.model import to_ms
from shared.settings import read_settings
from shared.storage.clients import Services
from shared.storage.weeks import WEEK, table_name

SETTINGS = read_settings(
    {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "SECRETS_KEY": Fernet.generate_key().decode()}
)


def test_a_table_is_opened_once() -> None:
    services = Services(SETTINGS)
    assert services.table("events20261116") is services.table("events20261116")


def test_tables_of_far_away_weeks_are_not_all_kept_open() -> None:
    """Ids and times in requests name any week; each left a client behind for as long as the process lived."""
    services = Services(SETTINGS)
    names = [table_name("deliveries", to_ms(NOW + number * WEEK)) for number in range(1000)]
    for name in names:
        assert services.table(name).name == name
    assert len(services._tables) <= 250
