"""Which installation and which key: options, environment, the config file, or the quickstart of this folder.

Never here: asking for them.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFAULT_URL = "http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class Profile:
    """`source` says in words where the key was found; empty when there is none."""

    url: str
    api_key: str
    source: str


class ProfileError(Exception):
    """The config file cannot be read, or has no such profile."""


def config_path(environ: Mapping[str, str] = os.environ) -> Path:
    """SENDARIX_CONFIG, or sendarix/config.toml where the system keeps configuration."""
    if environ.get("SENDARIX_CONFIG"):
        return Path(environ["SENDARIX_CONFIG"])
    return Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "sendarix" / "config.toml"


def resolve(
    url: str | None = None,
    api_key: str | None = None,
    profile: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Profile:
    """The first that names a key: options, SENDARIX_URL and SENDARIX_API_KEY, the profile, the quickstart here.

    A profile that is asked for by name comes before the environment. Raises ProfileError.
    """
    kept = _kept(environ, profile)
    layers = [("the options", url, api_key)]
    environment = ("the environment", environ.get("SENDARIX_URL"), environ.get("SENDARIX_API_KEY"))
    named = (str(config_path(environ)), kept.get("url"), kept.get("api_key"))
    layers += [named, environment] if profile else [environment, named]
    quickstart = _quickstart(environ)
    layers.append(("the quickstart of this folder", quickstart.get("api_url"), quickstart.get("live_key")))
    found = next(((source, key) for source, _, key in layers if key), ("", ""))
    return Profile(next((address for _, address, _ in layers if address), DEFAULT_URL), str(found[1]), found[0])


def _kept(environ: Mapping[str, str], profile: str | None) -> dict[str, Any]:
    name = profile or environ.get("SENDARIX_PROFILE") or "default"
    profiles = read(config_path(environ))
    if name not in profiles and (profile or environ.get("SENDARIX_PROFILE")):
        raise ProfileError(f"There is no profile {name} in {config_path(environ)}: run `sendarix configure {name}`.")
    found = profiles.get(name, {})
    return found if isinstance(found, dict) else {}


def read(path: Path) -> dict[str, Any]:
    """Every profile of the file; none when it is missing. Raises ProfileError."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ProfileError(f"{path} cannot be read: {error}") from error


def keep(path: Path, name: str, url: str, api_key: str) -> None:
    """Write one profile; the file is for its owner only. Raises ProfileError."""
    profiles = read(path) | {name: {"url": url, "api_key": api_key}}
    tables = [
        f"[{json.dumps(title)}]\n" + "".join(f"{field} = {json.dumps(value)}\n" for field, value in values.items())
        for title, values in profiles.items()
        if isinstance(values, dict)
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write("\n".join(tables))
        path.chmod(0o600)
    except OSError as error:
        raise ProfileError(f"{path} cannot be written: {error}") from error


def _quickstart(environ: Mapping[str, str]) -> dict[str, Any]:
    path = Path(environ.get("SENDARIX_HOME") or ".sendarix") / "quickstart.json"
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
