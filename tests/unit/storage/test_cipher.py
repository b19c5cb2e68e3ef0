"""What a leaked table must not give away."""

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from shared.settings import SettingsError
from shared.storage.cipher import Cipher

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@given(st.text())
def test_what_is_encrypted_is_decrypted_and_looks_different_each_time(text: str) -> None:
    cipher = Cipher([NEW])
    one, other = cipher.encrypt(text), cipher.encrypt(text)
    assert cipher.decrypt(one) == cipher.decrypt(other) == text
    assert one != other
    assert one.isascii()


def test_the_text_cannot_be_read_from_its_encryption() -> None:
    assert "sig=secret" not in Cipher([NEW]).encrypt("https://x.example/?sig=secret")


def test_after_a_rotation_old_values_are_read_and_new_ones_written_with_the_new_key() -> None:
    old_value = Cipher([OLD]).encrypt("old")
    rotated = Cipher([NEW, OLD])
    assert rotated.decrypt(old_value) == "old"
    assert Cipher([NEW]).decrypt(rotated.encrypt("new")) == "new"
    with pytest.raises(SettingsError):
        Cipher([OLD]).decrypt(rotated.encrypt("new"))


@pytest.mark.parametrize(
    "token", ["", "garbage", Cipher([OLD]).encrypt("a secret")], ids=["nothing", "garbage", "another-key"]
)
def test_what_no_key_opens_says_what_to_do_and_shows_nothing(token: str) -> None:
    with pytest.raises(SettingsError, match="put the key it was written with back into the list") as caught:
        Cipher([NEW]).decrypt(token)
    assert NEW not in str(caught.value)
