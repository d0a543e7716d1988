"""Log lines: their shape, their correlation ids and what is struck out of them.

Never here: decisions, metrics names, or anything of ours but settings.
"""

import logging
import re
import sys
from typing import Any

import orjson
import structlog
from structlog.contextvars import bound_contextvars

from common.config import Settings

_SECRET_NAMES = frozenset({"authorization", "password", "secret", "token", "api_key", "key_pepper", "template_data"})
_KEY = re.compile(r"sk_(live|test)_sdx_([0-9A-Za-z]{8})[0-9A-Za-z]*")
_URL_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@/\s]+@")


def redact(_logger: Any, _method: str, fields: Any) -> Any:
    """Strike out secrets: by field name, and keys and URL passwords wherever they stand."""
    for name, value in fields.items():
        if name in _SECRET_NAMES:
            fields[name] = "[redacted]"
        elif isinstance(value, str):
            fields[name] = redact_text(value)
    return fields


def redact_text(text: str) -> str:
    """`text` without API key secrets and without passwords in URLs."""
    if "sk_" in text:
        text = _KEY.sub(r"sk_\1_sdx_\2…", text)
    return _URL_PASSWORD.sub(r"\1…@", text) if "://" in text else text


def _dumps(value: Any, **_: Any) -> str:
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def setup(settings: Settings) -> None:
    """Configure structlog for this process: JSON lines, or colours on a terminal. On stderr."""
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(serializer=_dumps)
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    if not console:
        processors.append(structlog.processors.format_exc_info)
    level = logging.getLevelNamesMapping().get(settings.log_level.upper(), logging.INFO)
    structlog.configure(
        processors=[*processors, redact, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # today's stderr, should it be replaced
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")


def bind(**fields: str) -> Any:
    """A context in which every log line carries `fields` (request_id, message_id)."""
    return bound_contextvars(**fields)
