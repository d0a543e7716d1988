"""One request to the API, sent again as docs/retries.md says. Never here: what is asked for (client.py)."""

import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

import requests

from sendarix.backoff import ATTEMPTS, MOST_JITTER_SECONDS, delay
from sendarix.errors import ApiError, Unreachable

_NEVER_SENT = (requests.exceptions.ConnectTimeout,)
_NOTHING_WRITTEN = (408, 409, 429, 503)


class Transport:
    """A session with one installation, with one key. Not for several threads at once.

    A POST gets an `Idempotency-Key` of its own unless one is given, the same over all attempts. `sleep` and `draw`
    (a number of seconds up to the one given) are for tests. Raises ApiError and Unreachable.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None,
        *,
        timeout: float = 30.0,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], object] = time.sleep,
        draw: Callable[[float], float] = lambda most: random.uniform(0.0, most),
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout, self._attempts = timeout, max(1, attempts)
        self._sleep, self._draw = sleep, draw
        self._session = requests.Session()
        self._session.headers["User-Agent"] = "sendarix-python"
        if api_key:
            self._session.headers["Authorization"] = f"Bearer {api_key}"

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        file: tuple[str, BinaryIO] | None = None,
        query: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        repeatable: bool = True,
    ) -> Any:
        """The answer's JSON, or None when it is empty.

        `file` is a media type and a file that can be read again from its start, in place of `body`. `repeatable` says
        whether the request may be sent again when nobody knows what became of the first; a POST that does not honour
        Idempotency-Key must not.
        """
        headers = {"Content-Type": file[0]} if file else {}
        if method == "POST" and (repeatable or idempotency_key):
            headers["Idempotency-Key"] = idempotency_key or str(uuid.uuid4())
        for attempt in range(self._attempts):
            try:
                response = self._send(method, path, body, file, query, headers)
            except requests.RequestException as error:
                if self._is_last(attempt) or not (repeatable or isinstance(error, _NEVER_SENT)):
                    raise Unreachable(self.url, _reason(error)) from error
                wait = 0.0
            else:
                if response.ok:
                    return response.json() if response.content else None
                problem = _problem(response)
                unsure = not repeatable and response.status_code not in _NOTHING_WRITTEN
                if self._is_last(attempt) or unsure or not problem.retryable:
                    raise problem
                wait = _retry_after(response)
            self._sleep(delay(attempt, self._draw(MOST_JITTER_SECONDS), wait))
        raise AssertionError("the last attempt returns or raises")

    def _send(
        self,
        method: str,
        path: str,
        body: Any,
        file: tuple[str, BinaryIO] | None,
        query: Mapping[str, Any] | None,
        headers: Mapping[str, str],
    ) -> requests.Response:
        if file:
            file[1].seek(0)
        return self._session.request(
            method,
            self.url + path,
            json=body,
            data=file[1] if file else None,
            params=query,
            headers=headers,
            timeout=self._timeout,
        )

    def lines(self, path: str, query: Mapping[str, Any] | None = None) -> Iterator[str]:
        """The lines of an answer that is text, as they come; sent once."""
        try:
            with self._session.get(self.url + path, params=query, timeout=self._timeout, stream=True) as response:
                if not response.ok:
                    raise _problem(response)
                response.encoding = "utf-8"
                yield from response.iter_lines(decode_unicode=True)
        except requests.RequestException as error:
            raise Unreachable(self.url, _reason(error)) from error

    def _is_last(self, attempt: int) -> bool:
        return attempt + 1 >= self._attempts


def _problem(response: requests.Response) -> ApiError:
    try:
        body = response.json()
    except requests.exceptions.JSONDecodeError:
        body = {}
    return ApiError(response.status_code, body if isinstance(body, dict) else {})


def _retry_after(response: requests.Response) -> float:
    told = response.headers.get("Retry-After", "")
    return float(told) if told.isdecimal() else 0.0


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "nothing answers there"
    return str(error)
