"""What a leaked table must not give away."""

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from shared.settings import SettingsError
from shared.storage.cipher import Cipher

TOLD_IN = "docs/security.md#what-is-promised"

PLACE = "endpoints/ABC/Url"
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@given(st.text())
def test_what_is_encrypted_is_decrypted_and_looks_different_each_time(text: str) -> None:
    cipher = Cipher([NEW])
    one, other = cipher.encrypt(text, PLACE), cipher.encrypt(text, PLACE)
    assert cipher.decrypt(one, PLACE) == cipher.decrypt(other, PLACE) == text
    assert one != other
    assert one.isascii()


def test_the_text_cannot_be_read_from_its_encryption() -> None:
    assert "sig=secret" not in Cipher([NEW]).encrypt("https://x.example/?sig=secret", PLACE)


def test_after_a_rotation_old_values_are_read_and_new_ones_written_with_the_new_key() -> None:
    old_value = Cipher([OLD]).encrypt("old", PLACE)
    rotated = Cipher([NEW, OLD])
    assert rotated.decrypt(old_value, PLACE) == "old"
    assert Cipher([NEW]).decrypt(rotated.encrypt("new", PLACE), PLACE) == "new"
    with pytest.raises(SettingsError):
        Cipher([OLD]).decrypt(rotated.encrypt("new", PLACE), PLACE)


@pytest.mark.parametrize(
    "token", ["", "garbage", Cipher([OLD]).encrypt("a secret", PLACE)], ids=["nothing", "garbage", "another-key"]
)
def test_what_no_key_opens_says_what_to_do_and_shows_nothing(token: str) -> None:
    with pytest.raises(SettingsError, match="put the key it was written with back into the list") as caught:
        Cipher([NEW]).decrypt(token, PLACE)
    assert NEW not in str(caught.value)


@given(st.text(), st.text(), st.text())
def test_what_is_moved_elsewhere_does_not_open(text: str, place: str, other: str) -> None:
    """Who can write to the table had A's password sent to B."""
    cipher = Cipher([NEW, OLD])
    token = cipher.encrypt(text, place)
    assert cipher.decrypt(token, place) == text
    if place != other:
        with pytest.raises(SettingsError, match="does not open"):
            cipher.decrypt(token, other)


def test_what_an_earlier_version_wrote_is_read_and_not_current() -> None:
    cipher = Cipher([NEW])
    token = Fernet(NEW).encrypt(b"old").decode()
    assert cipher.decrypt(token, PLACE) == "old"
    assert not cipher.is_current(token, PLACE)
    assert cipher.is_current(cipher.encrypt("new", PLACE), PLACE)


def test_a_key_that_is_new_opens_nothing_that_is_not_bound() -> None:
    """So that after an upgrade and a rotation nothing can be moved any more."""
    stored = Fernet(OLD).encrypt(b"old").decode()
    with pytest.raises(SettingsError):
        Cipher([NEW]).decrypt(stored, PLACE)
