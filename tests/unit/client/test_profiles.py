"""The key that is used is the one that the user means."""

import json
import stat
from pathlib import Path

import pytest

from sendarix.cli.profiles import ProfileError, config_path, keep, read, resolve


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"SENDARIX_CONFIG": str(tmp_path / "sendarix" / "config.toml"), "SENDARIX_HOME": str(tmp_path / "home")}


def test_a_later_source_wins(environ: dict[str, str], tmp_path: Path) -> None:
    assert resolve(environ=environ).api_key == ""
    home = tmp_path / "home"
    home.mkdir()
    (home / "quickstart.json").write_text(json.dumps({"api_url": "http://127.0.0.1:9999", "live_key": "quick"}))
    assert (resolve(environ=environ).api_key, resolve(environ=environ).url) == ("quick", "http://127.0.0.1:9999")
    keep(config_path(environ), "default", "http://kept", "kept")
    keep(config_path(environ), "other", "http://other", "other")
    assert resolve(environ=environ).api_key == "kept"
    environ |= {"SENDARIX_API_KEY": "environment", "SENDARIX_URL": "http://environment"}
    assert resolve(environ=environ).api_key == "environment"
    assert resolve(profile="other", environ=environ).url == "http://other"
    assert resolve(url="http://option", api_key="option", environ=environ).api_key == "option"


def test_a_profile_is_missing_or_the_file_is_broken(environ: dict[str, str]) -> None:
    with pytest.raises(ProfileError, match="sendarix configure nowhere"):
        resolve(profile="nowhere", environ=environ)
    keep(config_path(environ), "default", "http://x", "y")
    config_path(environ).write_text("[default\n")
    with pytest.raises(ProfileError, match="cannot be read"):
        resolve(environ=environ)


def test_a_kept_key_is_readable_by_others(environ: dict[str, str]) -> None:
    path = config_path(environ)
    keep(path, 'odd "name"', "http://x", "k€y\\")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read(path) == {'odd "name"': {"url": "http://x", "api_key": "k€y\\"}}
