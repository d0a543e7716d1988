"""Other people's programs from npm, which the tests compare ours with. Never needed to run the product."""

import shutil
from pathlib import Path

import pytest

HOME = Path(__file__).parent


def require(package: str) -> Path:
    """The folder of an npm package; skips the test when it or node is missing."""
    if shutil.which("node") is None:
        pytest.skip("needs node; then: npm ci --prefix tests/peers")
    found = HOME / "node_modules" / package
    if not found.is_dir():
        pytest.skip(f"needs {package}: npm ci --prefix tests/peers")
    return found
