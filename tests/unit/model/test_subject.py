"""What events are about."""

import pytest

from doubles.samples import an_event
from shared.model.json_text import dump
from shared.model.subject import subject_of

SITE = "https://contoso.sharepoint.com/sites/hr"


def subject(of_type: str, /, **content: object) -> str:
    return subject_of(an_event(type=of_type, content=dump(content)))


def test_a_site_is_the_same_however_it_is_written() -> None:
    shared = subject("permission.granted", siteUrl=SITE)
    assert shared == subject("storage.threshold_exceeded", siteUrl="https://Contoso.sharepoint.com/sites/HR/")
    assert shared != subject("permission.granted", siteUrl=SITE + "2")


def test_the_events_of_a_request_for_a_workspace_are_of_one_subject() -> None:
    about = {"name": "Sales", "type": "MicrosoftTeams", "requestId": "7"}
    started = subject("ProvisioningStarted", requestedOn="2026-11-22T10:00:00Z", **about)
    assert started == subject("ProvisioningCompleted", url=SITE, microsoftId="1", **about)
    assert started != subject("ProvisioningStarted", **{**about, "requestId": "8"})


def test_without_a_request_it_is_the_workspace_by_name_and_kind() -> None:
    about = {"name": "Sales", "type": "MicrosoftTeams"}
    started = subject("ProvisioningStarted", **about)
    assert started == subject("ProvisioningFailed", error="no", correlationId="c", **about)
    assert started != subject("ProvisioningStarted", **{**about, "type": "M365Group"})


def test_an_operational_event_is_about_its_endpoint() -> None:
    failing = subject("webhook.endpoint_failing", endpointId="A", reason="no success")
    assert failing == subject("webhook.endpoint_disabled", endpointId="A", reason="410 Gone")
    assert failing != subject("webhook.endpoint_failing", endpointId="B", reason="no success")


def test_a_type_of_ones_own_may_name_its_subject() -> None:
    assert subject("custom.a", subject="7", siteUrl=SITE) == subject("custom.b", subject="7")
    assert subject("custom.a", siteUrl=SITE) == subject("storage.threshold_exceeded", siteUrl=SITE)
    assert subject("custom.a", subject=SITE) != subject("custom.a", siteUrl=SITE)


@pytest.mark.parametrize("nothing", [{}, {"subject": ""}, {"subject": 7}, {"siteUrl": None}])
def test_what_names_nothing_is_ordered_with_its_type(nothing: dict[str, object]) -> None:
    assert subject("custom.a", **nothing) == subject("custom.a", b=1)
    assert subject("custom.a", **nothing) != subject("custom.b")


def test_only_ones_own_types_have_a_field_that_says_subject() -> None:
    assert subject("permission.granted", siteUrl=SITE, subject="7") == subject("permission.granted", siteUrl=SITE)
