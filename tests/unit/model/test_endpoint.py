"""How a registration changes."""

from datetime import timedelta

from doubles.samples import NOW, URL, an_endpoint
from shared.model import Health, OldSecret, endpoint_id, to_ms
from shared.model.endpoint import MOST_OLD_SECRETS, merge, register, rotate

LATER = NOW + timedelta(hours=1)


def test_a_new_endpoint_begins_a_generation_in_good_health() -> None:
    endpoint = register(URL, "whsec_1", "alice", {"types": ("*",), "name": "SIEM"}, NOW)
    assert (endpoint.id, endpoint.url, endpoint.owner, endpoint.name) == (endpoint_id(URL), URL, "alice", "SIEM")
    assert (endpoint.created_at, endpoint.updated_at) == (NOW, NOW)
    assert endpoint.health == Health(generation=endpoint.generation) == Health(generation=to_ms(NOW))


def test_a_merge_keeps_what_is_not_given() -> None:
    before = an_endpoint(name="SIEM", sites=("https://x/*",))
    after = merge(before, {"name": "Jira", "enabled": False}, LATER)
    assert after == before.model_copy(update={"name": "Jira", "enabled": False, "updated_at": LATER})


def test_the_revision_of_a_key_never_falls() -> None:
    """A slow call would give a key back to a URL that was superseded."""
    before = an_endpoint(key="mine", key_revision=5)
    assert merge(before, {"key": "mine", "key_revision": 3}, LATER).key_revision == 5
    assert merge(before, {"key": "mine", "key_revision": 7}, LATER).key_revision == 7


def test_old_secrets_sign_until_their_time_and_only_so_many_are_kept() -> None:
    endpoint, until = an_endpoint(secret="whsec_0"), NOW + timedelta(hours=24)
    for number in range(1, 7):
        endpoint = rotate(endpoint, f"whsec_{number}", NOW, until)
    assert endpoint.secrets_at(NOW) == [f"whsec_{number}" for number in (6, 5, 4, 3, 2)]
    assert len(endpoint.old_secrets) == MOST_OLD_SECRETS
    later = rotate(endpoint, "whsec_7", until, until + timedelta(hours=24))
    assert later.old_secrets == (OldSecret(secret="whsec_6", until=until + timedelta(hours=24)),)
    assert later.updated_at == until
