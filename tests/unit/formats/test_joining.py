"""What holds for every wire format that says several events in one body."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doubles.format_events import SETTINGS, events, make, sample_of
from doubles.samples import an_endpoint
from shared.formats import FORMATS, Body
from shared.formats.rendering import goes_together, render_together, settings_text
from shared.model import Endpoint, Event
from shared.model.catalogue import CATALOGUE

JOINING = [name for name, known in FORMATS.items() if known.join is not None]


def endpoint_of(name: str) -> Endpoint:
    return an_endpoint(format=name, settings={name: settings_text(SETTINGS.get(name, {}))})


def joined(name: str, several: Sequence[Event]) -> Body:
    return render_together(endpoint_of(name), name, several)


def test_there_are_some() -> None:
    assert "sentinel" in JOINING


@pytest.mark.parametrize("name", JOINING)
def test_one_event_is_said_as_ever(name: str) -> None:
    assert goes_together(endpoint_of(name), name)
    for each in CATALOGUE:
        assert joined(name, [sample_of(each)]) == make(name, sample_of(each))


@pytest.mark.parametrize("name", JOINING)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(several=st.lists(events, min_size=2, max_size=4, unique_by=lambda event: event.key))
def test_any_events_can_be_said_together(name: str, several: list[Event]) -> None:
    content_type, body = joined(name, several)
    assert content_type == "application/json"
    assert json.loads(body)
    assert joined(name, several) == (content_type, body)


@pytest.mark.parametrize("name", JOINING)
def test_each_is_named_by_its_key_and_in_order(name: str) -> None:
    text = joined(name, [sample_of("permission.granted", key=f"hr-90-{number}") for number in range(3)])[1].decode()
    at = [text.index(f"hr-90-{number}") for number in range(3)]
    assert at == sorted(at)


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_with_the_shared_signature_says_several(name: str) -> None:
    """Its receivers take one event in one request, as the two contracts have it."""
    known = FORMATS[name]
    assert not (known.point_signature and known.join)
    assert known.join or known.digest_every is None
