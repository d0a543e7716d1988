"""No secret reaches a log line."""

import pytest

from common.telemetry import redact

KEY = "sk_live_sdx_" + "a" * 54


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("authorization", "Bearer x1y2", "x1y2"),
        ("password", "hunter22", "hunter22"),
        ("error", f"bad key {KEY}", "a" * 20),
        ("url", "postgresql://me:hunter22@host/db", "hunter22"),
        ("template_data", {"code": "847291"}, "847291"),
    ],
)
def test_a_secret_is_struck_out(name: str, value: object, secret: str) -> None:
    assert secret not in str(redact(None, "info", {name: value}))


def test_a_plain_line_stays() -> None:
    assert redact(None, "info", {"event": "started", "port": 1}) == {"event": "started", "port": 1}
