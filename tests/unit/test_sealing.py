"""A sealed secret opens only with its key and for its owner."""

import stat
from pathlib import Path

import pytest

from common.config import read_settings
from common.sealing import CannotOpen, kept_secret, seal, unseal


def test_a_secret_is_readable_or_repeats_itself() -> None:
    settings = read_settings({}, sealing_key="one")
    first, second = (seal(settings, b"a private key", "dkim 1") for _ in range(2))
    assert b"a private key" not in first and first != second
    assert unseal(settings, first, "dkim 1") == unseal(settings, second, "dkim 1") == b"a private key"


def test_a_moved_or_changed_secret_opens() -> None:
    settings = read_settings({}, sealing_key="one")
    sealed = seal(settings, b"x", "dkim 1")
    for owner, value in (("dkim 2", sealed), ("dkim 1", sealed[:-1] + bytes([sealed[-1] ^ 1])), ("dkim 1", b"")):
        with pytest.raises(CannotOpen):
            unseal(settings, value, owner)


def test_a_new_key_shuts_out_what_the_old_one_sealed() -> None:
    old = seal(read_settings({}, sealing_key="old"), b"x", "o")
    both = read_settings({}, sealing_key="new, old")
    assert unseal(both, old, "o") == b"x"
    with pytest.raises(CannotOpen, match="behind a comma"):
        unseal(read_settings({}, sealing_key="new"), old, "o")
    assert unseal(read_settings({}, sealing_key="new"), seal(both, b"y", "o"), "o") == b"y"


def test_the_key_in_the_home_folder_changes_or_others_can_read_it(tmp_path: Path) -> None:
    settings = read_settings({}, home=str(tmp_path))
    assert unseal(settings, seal(settings, b"x", "o"), "o") == b"x"
    assert kept_secret(str(tmp_path), "sealing_key") == kept_secret(str(tmp_path), "sealing_key")
    assert stat.S_IMODE((tmp_path / "secrets" / "sealing_key").stat().st_mode) == 0o600
    assert [each.name for each in (tmp_path / "secrets").iterdir()] == ["sealing_key"]
