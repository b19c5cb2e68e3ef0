"""The signature key changes at an announced time, an endpoint's secret at once with a day of both; and health rows that
many write at the same time."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from doubles import registering
from shared.admin.registration import rotate_secret
from shared.api.endpoints import SECRET_OVERLAP
from shared.model import Endpoint
from shared.model.health import note_warned
from shared.outbound.signing import sign_point, sign_standard
from shared.settings import Settings
from shared.storage import snapshot
from shared.storage.cipher import Cipher
from shared.storage.clients import Services
from shared.storage.endpoints import Endpoints
from shared.storage.signature_keys import Options, SignatureKeys

from .scene import BUSY, OK, THURSDAY, URL, Scene, an_event

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
SWITCH = THURSDAY + 24 * HOUR


@pytest.fixture
def options(services: Services, cipher: Cipher) -> Options:
    return Options(services, cipher)


def signed_now(scene: Scene, key: str) -> tuple[dict[str, str], bytes]:
    scene.publish(an_event(key))
    scene.dispatch_next()
    _, headers, body = scene.receiver.posts[-1]
    return headers, body


# The signature key


def test_an_announced_key_signs_from_its_time_on_and_not_before(options: Options) -> None:
    first = options.signature_key(THURSDAY)
    keys = options.rotate_signature_key(THURSDAY, SWITCH)
    assert keys == SignatureKeys(current=first, following=keys.following, activates_at=SWITCH)
    assert keys.following is not None
    assert str(uuid.UUID(keys.following)) == keys.following != first
    assert options.signature_key(SWITCH - SECOND) == first
    assert options.signature_key(SWITCH) == keys.following
    assert options.signature_keys(SWITCH - SECOND) == keys
    assert options.signature_keys(SWITCH) == SignatureKeys(current=keys.following)


def test_deliveries_are_signed_with_the_key_of_their_time(scene: Scene) -> None:
    scene.register()
    first = scene.app.options.signature_key(THURSDAY)
    following = scene.app.options.rotate_signature_key(THURSDAY, SWITCH).following
    assert following is not None
    for at, key in ((SWITCH - SECOND, first), (SWITCH, following), (SWITCH + HOUR, following)):
        scene.clock.now = at
        headers, body = signed_now(scene, str(at.timestamp()).replace(".", "-"))
        assert headers["Signature"] == sign_point(body, key)["Signature"]


def test_a_retry_across_the_switch_has_the_same_body_signed_anew(scene: Scene) -> None:
    scene.register()
    scene.clock.now = SWITCH - SECOND
    keys = scene.app.options.rotate_signature_key(THURSDAY, SWITCH)
    scene.receiver.answers = [BUSY, OK]
    scene.publish(an_event())
    scene.run_in_order()
    (_, first, one), (_, second, two) = scene.receiver.posts
    assert one == two
    assert first["Signature"] == sign_point(one, keys.current)["Signature"]
    assert second["Signature"] == sign_point(one, str(keys.following))["Signature"]


def test_a_second_announcement_replaces_one_that_does_not_sign_yet(options: Options) -> None:
    first = options.signature_key(THURSDAY)
    dropped = options.rotate_signature_key(THURSDAY, SWITCH).following
    keys = options.rotate_signature_key(THURSDAY + HOUR, SWITCH + 10 * HOUR)
    assert keys.current == first
    assert keys.following not in (first, dropped)
    assert options.signature_key(SWITCH) == first
    assert options.signature_key(SWITCH + 10 * HOUR) == keys.following


def test_a_rotation_after_the_switch_goes_on_from_the_key_that_signs(options: Options) -> None:
    first = options.rotate_signature_key(THURSDAY, SWITCH)
    second = options.rotate_signature_key(SWITCH, SWITCH + 24 * HOUR)
    assert second.current == first.following
    assert second.following not in (first.current, first.following)


def test_a_key_can_be_made_to_sign_at_once(options: Options) -> None:
    first = options.signature_key(THURSDAY)
    keys = options.rotate_signature_key(THURSDAY, THURSDAY)
    assert (keys.following, keys.activates_at) == (None, None)
    assert keys.current == options.signature_key(THURSDAY) != first


def test_another_instance_switches_at_the_same_time(
    options: Options, settings: Settings, cipher: Cipher, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = Options(Services(settings), cipher)
    assert elsewhere.signature_key(THURSDAY) == options.signature_key(THURSDAY)
    keys = options.rotate_signature_key(THURSDAY, SWITCH)
    monkeypatch.setattr(snapshot, "CACHE_SECONDS", -1.0)
    assert elsewhere.signature_key(SWITCH - SECOND) == keys.current
    monkeypatch.setattr(snapshot, "CACHE_SECONDS", 1000.0)  # it knows of the switch: no further read is needed
    assert elsewhere.signature_key(SWITCH) == keys.following


def test_two_who_rotate_at_once_announce_one_key(settings: Settings, cipher: Cipher) -> None:
    start = threading.Barrier(4)

    def rotate(number: int) -> SignatureKeys:
        options = Options(Services(settings), cipher)
        start.wait()
        return options.rotate_signature_key(THURSDAY, SWITCH)

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(rotate, range(4)))
    stored = Options(Services(settings), cipher).signature_keys(THURSDAY)
    assert stored in answers
    assert {answer.current for answer in answers} == {stored.current}


# An endpoint's secret


def rotate(scene: Scene, endpoint: Endpoint) -> Endpoint:
    rotated = rotate_secret(scene.app, endpoint.id, scene.clock.now + SECRET_OVERLAP)
    assert rotated is not None
    return rotated


def secrets_used(scene: Scene, key: str, *known: str) -> list[int]:
    """Which of the known secrets signed a delivery made now, in the order of their signatures; the first of several
    stands at the end once more."""
    headers, body = signed_now(scene, key)
    macs = [sign_standard(key, scene.clock.now, body, [secret])["webhook-signature"] for secret in known]
    return [macs.index(mac) for mac in headers["webhook-signature"].split(" ")]


def test_old_and_new_secret_sign_together_for_exactly_24_hours(scene: Scene) -> None:
    endpoint = scene.register()
    rotated = rotate(scene, endpoint)
    both = (endpoint.secret, rotated.secret)
    assert SECRET_OVERLAP == 24 * HOUR
    assert secrets_used(scene, "at-once", *both) == [1, 0, 1]
    scene.clock.now = THURSDAY + 24 * HOUR - timedelta(milliseconds=1)
    assert secrets_used(scene, "last", *both) == [1, 0, 1]
    scene.clock.now = THURSDAY + 24 * HOUR
    assert secrets_used(scene, "after", *both) == [1]


def test_rotating_again_within_the_day_keeps_each_secret_for_its_own_day(scene: Scene) -> None:
    first = scene.register()
    second = rotate(scene, first)
    scene.clock.now = THURSDAY + 10 * HOUR
    third = rotate(scene, second)
    all_three = (first.secret, second.secret, third.secret)
    assert secrets_used(scene, "three", *all_three) == [2, 1, 0, 2]
    scene.clock.now = THURSDAY + 24 * HOUR
    assert secrets_used(scene, "two", *all_three) == [2, 1, 2]
    scene.clock.now = THURSDAY + 34 * HOUR
    assert secrets_used(scene, "one", *all_three) == [2]


def test_other_changes_keep_the_old_secret_and_a_new_registration_does_not(scene: Scene) -> None:
    first = scene.register()
    second = rotate(scene, first)
    scene.change(first.id, name="x")
    scene.register()
    assert secrets_used(scene, "kept", first.secret, second.secret) == [1, 0, 1]
    scene.app.endpoints.delete(first.id)
    third = scene.register()
    assert secrets_used(scene, "gone", first.secret, second.secret, third.secret) == [2]


def test_two_rotations_at_once_lose_no_secret(scene: Scene) -> None:
    endpoint, elsewhere, start = scene.register(), scene.elsewhere(), threading.Barrier(2)

    def run(each: Scene) -> str:
        start.wait()
        return rotate(each, endpoint).secret

    with ThreadPoolExecutor(2) as threads:
        answered = list(threads.map(run, (scene, elsewhere)))
    stored = scene.app.endpoints.read(endpoint.id)
    assert stored is not None
    assert set(stored.secrets_at(scene.clock.now)) == {endpoint.secret, *answered}


def test_no_old_secret_is_in_the_table_in_the_clear(scene: Scene) -> None:
    endpoint = scene.register()
    rotate(scene, endpoint)
    rows = list(scene.app.services.table("endpoints").query("PartitionKey ne @none", {"none": ""}))
    assert endpoint.secret.removeprefix("whsec_") not in repr([dict(row) for row in rows])


# Health


def test_what_many_note_of_an_endpoint_at_once_is_all_kept(settings: Settings, cipher: Cipher) -> None:
    instances = [Endpoints(Services(settings), cipher) for _ in range(3)]
    endpoint = registering.register(instances[0], URL, THURSDAY)
    start = threading.Barrier(6)

    def note(number: int) -> None:
        instance = instances[number % 3]
        start.wait()
        if number == 5:
            instance.change_health(endpoint, note_warned)
        else:
            registering.fail(instance, endpoint, f"delivery-{number}", THURSDAY + number * HOUR)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(note, range(6)))
    found = instances[0].read(endpoint.id)
    assert found is not None
    assert sorted(found.health.exhausted) == [f"delivery-{number}" for number in range(5)]
    assert found.health.warned
    assert found.health.first_failure_at == THURSDAY


def test_an_endpoint_disabled_and_well_at_once_is_disabled(settings: Settings, cipher: Cipher) -> None:
    instances = [Endpoints(Services(settings), cipher) for _ in range(2)]
    endpoint = registering.register(instances[0], URL, THURSDAY)
    failing = registering.fail(instances[0], endpoint, "delivery-1", THURSDAY)
    start = threading.Barrier(2)

    def disable() -> None:
        start.wait()
        registering.switch_off(instances[0], failing, THURSDAY)

    def note_success() -> None:
        start.wait()
        registering.succeed(instances[1], failing, THURSDAY)

    with ThreadPoolExecutor(2) as threads:
        for each in [threads.submit(disable), threads.submit(note_success)]:
            each.result()
    found = instances[0].read(endpoint.id)
    assert found is not None
    assert found.health.state == "disabled"
