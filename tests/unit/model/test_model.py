"""Identities and times."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from doubles.samples import NOW, a_delivery, a_message, an_attempt, an_endpoint, an_event
from shared.model import DeliveryId, Health, Model, TimeStamp, digest, endpoint_id, from_ms, read_time, to_ms, utc_text

LAST_MS = 2**47 - 1  # in the year 6429
TIME_STAMPS: TypeAdapter[str] = TypeAdapter(TimeStamp)
names = st.text(max_size=20).map(digest)


@given(st.integers(0, LAST_MS), names, names)
def test_a_delivery_id_is_read_back_from_its_text_in_any_case(at_ms: int, event: str, endpoint: str) -> None:
    delivery_id = DeliveryId(at_ms, event, endpoint)
    assert DeliveryId.parse(str(delivery_id)) == delivery_id
    assert DeliveryId.parse(str(delivery_id).lower()) == delivery_id
    assert from_ms(DeliveryId.parse(str(delivery_id)).accepted_ms)  # type: ignore[union-attr]


@given(st.tuples(st.integers(0, LAST_MS), names, names), st.tuples(st.integers(0, LAST_MS), names, names))
def test_different_deliveries_have_different_ids(one: tuple[int, str, str], other: tuple[int, str, str]) -> None:
    assert (str(DeliveryId(*one)) == str(DeliveryId(*other))) is (one == other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not-an-id",
        f"019AB3C4D5E6-{'A' * 26}",
        f"019AB3C4D5E6-{'A' * 26}-{'A' * 25}",
        f"019AB3C4D5E6-{'A' * 26}-{'A' * 25}1",
        f"019AB3C4D5E6-{'A' * 26}-{'A' * 26}\n",
        f"FFFFFFFFFFFF-{'A' * 26}-{'A' * 26}",
        f"{LAST_MS + 1:012X}-{'A' * 26}-{'A' * 26}",
    ],
)
def test_what_is_no_delivery_id_is_none(text: str) -> None:
    assert DeliveryId.parse(text) is None


def test_an_endpoint_id_is_the_first_128_bits_of_the_sha_256_of_its_url_in_base32() -> None:
    # printf %s https://contoso.example/hook | openssl dgst -sha256 -binary | head -c 16 | base32
    assert endpoint_id("https://contoso.example/hook") == "KLOEILM43DS5EUB7GJ5K2K7JKY"


@pytest.mark.parametrize(
    "url", ["HTTPS://Contoso.Example/hook", "https://CONTOSO.EXAMPLE/hook", "hTTps://contoso.examplE/hook"]
)
def test_an_endpoint_id_ignores_the_case_of_scheme_and_host(url: str) -> None:
    assert endpoint_id(url) == endpoint_id("https://contoso.example/hook")


@pytest.mark.parametrize(
    "url",
    [
        "https://contoso.example/Hook",
        "https://contoso.example/hook/",
        "https://contoso.example/hook?",
        "https://contoso.example:443/hook",
        "https://contoso.example/h%6fok",
        "https://contoso.example/hook?code=a",
        "https://contoso.example./hook",
        "http://contoso.example/hook",
    ],
)
def test_every_other_byte_of_the_url_counts(url: str) -> None:
    assert endpoint_id(url) != endpoint_id("https://contoso.example/hook")


@given(st.text(alphabet="aBcD/?#&=%:", min_size=1, max_size=30), st.sampled_from("/?#"))
def test_case_after_the_host_is_part_of_the_identity(rest: str, start: str) -> None:
    one, other = f"https://Host.Example{start}{rest}", f"HTTPS://host.example{start}{rest}"
    assert endpoint_id(one) == endpoint_id(other)
    swapped = rest.swapcase()
    assert (endpoint_id(f"https://host.example{start}{swapped}") == endpoint_id(other)) is (swapped == rest)


@given(st.integers(0, LAST_MS))
def test_milliseconds_survive_the_way_through_a_datetime(milliseconds: int) -> None:
    assert to_ms(from_ms(milliseconds)) == milliseconds


def test_times_are_shown_in_utc_with_milliseconds() -> None:
    assert utc_text(datetime(2026, 11, 22, 11, 0, tzinfo=timezone(timedelta(hours=1)))) == "2026-11-22T10:00:00.000Z"


@pytest.mark.parametrize(
    "text",
    [
        "2023-10-05T14:48:00",
        "2023-10-05T14:48",
        "2026-11-22T10:00:00Z",
        "2026-11-22T10:00:00.1234567+02:00",
        "2026-11-22T10:00:00.123456789-11:30",
    ],
)
def test_a_time_stamp_is_kept_as_received(text: str) -> None:
    assert TIME_STAMPS.validate_python(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-22",
        "22.11.2026 10:00",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-22 10:00:00",
        "2026-11-22T10:00:00+2",
        "2026-11-22T10:00:00Z\n",
        "٢٠٢٦-11-22T10:00:00Z",
    ],
)
def test_what_is_no_time_stamp_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="must be a time such as"):
        TIME_STAMPS.validate_python(text)


def test_health_is_failing_from_the_first_failure_and_disabled_above_all() -> None:
    assert Health(generation=1).state == "healthy"
    assert Health(generation=1, last_success_at=NOW).state == "healthy"
    assert Health(generation=1, first_failure_at=NOW).state == "failing"
    assert Health(generation=1, first_failure_at=NOW, disabled_reason="410").state == "disabled"


def test_an_endpoint_receives_while_nobody_disabled_it() -> None:
    assert an_endpoint().receives
    assert not an_endpoint(enabled=False).receives
    assert not an_endpoint(health=Health(generation=1, disabled_reason="410")).receives


def test_all_of_a_url_that_may_be_logged_is_its_host() -> None:
    assert an_endpoint("https://Receiver.example:8443/secret/path?code=hidden").host == "receiver.example"


def test_the_newest_attempt_is_the_one_with_the_highest_number() -> None:
    assert a_delivery().last_number == 0
    assert a_delivery(an_attempt(1), an_attempt(3), an_attempt(2)).last_number == 3


def test_an_attempt_is_held_by_number_and_token_together() -> None:
    delivery = a_delivery(an_attempt(1, token="mine"))
    assert delivery.holds(1, "mine")
    assert not delivery.holds(1, "another's")
    assert not delivery.holds(2, "mine")


def test_values_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        an_event().key = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    "value", [an_event(), an_attempt(), a_delivery(an_attempt()), an_endpoint(), a_message(event=an_event())]
)
def test_a_stored_value_passes_over_what_a_newer_version_wrote(value: Model) -> None:
    """Instances of two versions run side by side while one is being deployed."""
    written = value.model_dump(mode="json", by_alias=True) | {"surprise": 1}
    assert type(value).model_validate(written) == value


def test_a_value_that_a_caller_sends_takes_no_unknown_members() -> None:
    class Body(Model):
        key: str

    with pytest.raises(ValidationError, match="Extra inputs"):
        Body.model_validate({"key": "x", "surprise": 1})


@pytest.mark.parametrize("text", ["1999-12-31T23:59:59Z", "6001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_row_keys_cannot_bear_is_refused_where_it_is_read(text: str) -> None:
    with pytest.raises(ValueError, match="between the years 2000 and 6000"):
        read_time(text)
    with pytest.raises(ValidationError, match="between the years 2000 and 6000"):
        an_attempt(started_at=text)


@pytest.mark.parametrize(
    "offset", ["+00:60", "-05:99", "+0060", "+24:00", "+00:00:75", "+00:00:30", "+01:00:00.5", " Z"]
)
def test_an_offset_that_no_clock_has_is_refused(offset: str) -> None:
    """Python reads +00:60 as +01:00."""
    with pytest.raises(ValueError, match=r"."):
        read_time(f"2026-11-22T10:00:00{offset}")
    with pytest.raises(ValidationError):
        TypeAdapter(TimeStamp).validate_python(f"2026-11-22T10:00:00{offset}")


@pytest.mark.parametrize("between", ["x", "-", "_", "\n", "\U0001f600", "\ud83d"])
def test_no_other_sign_stands_between_day_and_time(between: str) -> None:
    """Python takes any, and a content would go on with it to receivers that do not."""
    with pytest.raises(ValueError, match="ISO 8601"):
        read_time(f"2026-11-22{between}10:00:00Z")


@pytest.mark.parametrize("hour", ["24:00:00", "23:60:00", "23:59:60", "24:00"])
def test_a_time_that_is_on_no_clock_is_refused_by_every_python(hour: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        read_time(f"2026-11-22T{hour}Z")


@pytest.mark.parametrize(
    "text", ["2026-11-22", "20261122", "20261122T100000Z", "2026-W47-7", "2026W477T10", "2026-11-22t10:00:00,5+01"]
)
def test_iso_8601_may_be_written_in_other_ways(text: str) -> None:
    assert read_time(text).date().isoformat() == "2026-11-22"


@pytest.mark.parametrize("offset", ["+00:59", "-12:00", "+14:00", "+05:30", "+0530", "Z", ""])
def test_an_offset_of_a_clock_is_taken(offset: str) -> None:
    read_time(f"2026-11-22T10:00:00{offset}")
    read_time(f"2026-11-22 10:00{offset}")
