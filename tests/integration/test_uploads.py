"""Large, slow and broken bodies: bounded memory, bounded threads, and a word for each (threat D2)."""

import base64
import gc
import http.client
import os
import select
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
import psutil  # type: ignore[import-untyped]
import pytest

from api import uploads
from api.uploads import LARGE, Uploads
from common.config import read_settings
from common.domain.errors import InvalidRequest, RequestTimeout, TooLarge, Unavailable
from tests.callers import Api, mail

MIB = 1 << 20
ROOT = Path(__file__).parents[2]


class Pieces:
    """A stream that gives what it has piece by piece, then waits or ends."""

    def __init__(self, *pieces: bytes, stalls: bool = False, pause: float = 0.0) -> None:
        self._pieces, self._stalls, self._pause = list(pieces), stalls, pause
        self.gone = threading.Event()

    def read(self, size: int) -> bytes:
        if not self._pieces:
            if self._stalls:
                self.gone.wait(20)
            return b""
        time.sleep(self._pause)
        piece, rest = self._pieces[0][:size], self._pieces[0][size:]
        self._pieces[:1] = [rest] if rest else []
        return piece


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "GRACE", 0.2)
    monkeypatch.setattr(uploads, "SECONDS", 1.0)


@pytest.mark.parametrize(
    ("stream", "length", "error"),
    [
        (Pieces(b"x" * 10), 11, InvalidRequest),
        (Pieces(b"x" * 10), LARGE + 1, InvalidRequest),
        (Pieces(*[b"x" * MIB] * 3), None, TooLarge),
        (Pieces(*[b"x"] * 50, pause=0.02), LARGE + 1, RequestTimeout),
        (Pieces(*[b"x" * 9000] * 200, pause=0.02), None, RequestTimeout),
    ],
    ids=["short", "short and large", "long", "trickles", "is slow as a whole"],
)
def test_d2_a_bad_body_is_taken_or_waited_for(impatient: None, stream: Pieces, length: int | None, error: Any) -> None:
    since = time.monotonic()
    with pytest.raises(error):
        Uploads().read(stream, length, 2 * MIB)
    assert time.monotonic() - since < 5
    stream.gone.set()


def test_d2_a_body_in_pieces_is_read_wrongly() -> None:
    whole = os.urandom(3 * MIB)
    pieces = [whole[at : at + 70_001] for at in range(0, len(whole), 70_001)]
    for length in (None, len(whole)):
        assert Uploads().read(Pieces(*pieces), length, 4 * MIB) == whole


def test_d2_clients_that_stop_sending_take_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "WAIT_SECONDS", 0.05)
    found, streams = Uploads(), [Pieces(stalls=True) for _ in range(12)]
    found.suit(8)
    refused: list[str] = []

    def read(stream: Pieces, account: str) -> None:
        try:
            found.read(stream, 10, 100, account)
        except Unavailable as error:
            refused.append(f"{account} {error.code}")
        except InvalidRequest:
            pass

    threads = [
        threading.Thread(target=read, args=(each, "one" if number < 6 else "two"))
        for number, each in enumerate(streams)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(0.3)
    assert sum(each.is_alive() for each in threads) == 6  # of eight: four of one account, two of the other
    assert sorted(refused) == ["one overloaded"] * 2 + ["two overloaded"] * 4
    for stream in streams:
        stream.gone.set()
    for each in threads:
        each.join(5)
    assert found.read(Pieces(b"{}"), 2, 10, "one") == b"{}"


def test_d2_one_account_takes_every_place_for_large_bodies() -> None:
    found = Uploads()
    with ExitStack() as places:
        for _ in range(uploads.MOST_LARGE):
            places.callback(found.begin_large("one"))
        with pytest.raises(Unavailable) as refused:
            found.begin_large("one")
        assert (refused.value.code, refused.value.retry_after) == ("overloaded", 1)
        places.callback(found.begin_large("two"))
    found.begin_large("one")()


def test_d2_a_body_that_turns_out_too_long_is_told_to_come_again() -> None:
    """Nobody knows how long one in chunks will be: when the places are taken, it is read on to say the right thing."""
    found, asked = Uploads(), []

    def full() -> None:
        asked.append(1)
        raise Unavailable("Too many large requests at once.", code="overloaded")

    with pytest.raises(TooLarge):
        found.read(Pieces(*[b"x" * MIB] * 3), None, 2 * MIB, grown=full)
    with pytest.raises(Unavailable):
        found.read(Pieces(*[b"x" * MIB] * 2), None, 2 * MIB, grown=full)
    assert len(found.read(Pieces(b"x" * LARGE), None, 2 * MIB, grown=full)) == LARGE and len(asked) == 2


def test_s15_s16_fifty_mebibytes_are_refused_or_held_many_times(api: Api) -> None:
    most = read_settings().max_body_bytes
    body = mail(recipient="large@example.net", attachments=[{"filename": "a.bin", "content": ""}])
    room = most - len(orjson.dumps(body))
    content = base64.b64encode(os.urandom(room // 4 * 3)).decode()
    body["attachments"][0]["content"] = content
    raw = orjson.dumps(body)
    raw += b" " * (most - len(raw))
    del content, body
    with peak_memory() as peak:
        answer = api.call("POST", "/v1/messages", raw, Idempotency_Key="large")
    assert answer.status_code == 202, answer.data
    assert answer.get_json()["warnings"][0]["code"] == "large_message"
    # Besides the request itself: the text of the file, and twice the JSON on its way to PostgreSQL.
    assert peak[0] < 4.5 * most, f"{peak[0] / most:.1f} times the body"
    shown = api.read(answer.get_json()["message_id"], "/content")
    assert shown["attachments"][0]["size"] == room // 4 * 3
    over = api.call("POST", "/v1/messages", raw + b" ")
    assert (over.status_code, over.get_json()["code"]) == (413, "payload_too_large")


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """How much the memory of this process grows at most, in bytes, once the block has ended."""
    gc.collect()
    process, ended = psutil.Process(), threading.Event()
    before = process.memory_info().rss
    found = [0]

    def watch() -> None:
        while not ended.wait(0.005):
            found[0] = max(found[0], process.memory_info().rss - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        ended.set()
        watcher.join()


@pytest.fixture
def server(api: Api) -> Iterator[int]:
    """The web server itself, one process of eight threads, on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    own = {"API_PORT": str(port), "API_PROCESSES": "1", "API_THREADS": "8", "RATE_LIMIT_PER_MINUTE": "100000"}
    environ = os.environ | {f"SENDARIX_{name}": text for name, text in own.items()}
    child = subprocess.Popen([sys.executable, "-m", "api.wsgi"], cwd=ROOT, env=environ)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1):
                break
        except OSError:
            time.sleep(0.05)
    yield port
    child.terminate()
    child.wait(15)


def test_d2_clients_that_stop_sending_keep_others_out(api: Api, server: int) -> None:
    head = f"POST /v1/messages HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {api.live}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
    with ExitStack() as stack:
        stalled = [stack.enter_context(socket.create_connection(("127.0.0.1", server))) for _ in range(20)]
        for each in stalled:
            each.sendall(head.encode())
        refused: list[bytes] = []
        while len(refused) < 16:  # four threads of eight wait; the others say that it is too much
            ready, _, _ = select.select(stalled, [], [], 30)
            assert ready, refused
            refused += [each.recv(4096) for each in ready]
            stalled = [each for each in stalled if each not in ready]
        assert all(b" 503 " in each for each in refused)
        with urllib.request.urlopen(f"http://127.0.0.1:{server}/healthz", timeout=5) as answer:
            assert answer.status == 200
    request = urllib.request.Request(
        f"http://127.0.0.1:{server}/v1/messages",
        data=orjson.dumps(mail(recipient="patient@example.net")),
        headers={"Authorization": f"Bearer {api.live}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 202


def test_d2_twenty_bodies_of_50_mb_at_once_take_the_memory_or_break_the_server(api: Api, server: int) -> None:
    """Each is accepted or told to come back: nothing breaks, others are served, and memory stays bounded."""
    pid = next(
        each.pid for each in psutil.Process().children(recursive=True) if f"API_PORT={server}" in _environment(each)
    )
    own = psutil.Process(pid)
    tree = [own, *own.children(recursive=True)]
    before, most, ended = sum(each.memory_info().rss for each in tree), [0], threading.Event()
    whole = orjson.dumps(mail(recipient="flood@example.net"))
    whole += b" " * (read_settings().max_body_bytes - len(whole))

    def watch() -> None:
        while not ended.wait(0.02):
            most[0] = max(most[0], sum(each.memory_info().rss for each in tree if each.is_running()))

    def post(_: int) -> tuple[int, str | None, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", server, timeout=120)
        try:
            bearer = {"Authorization": f"Bearer {api.live}", "Content-Type": "application/json"}
            with suppress(
                BrokenPipeError, ConnectionResetError
            ):  # refused before it was sent whole: the answer is there
                connection.request("POST", "/v1/messages", whole, bearer)
            answer = connection.getresponse()
            return answer.status, answer.getheader("Retry-After"), answer.read()
        finally:
            connection.close()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with ThreadPoolExecutor(20) as pool:
            answers = [pool.submit(post, number) for number in range(20)]
            with urllib.request.urlopen(f"http://127.0.0.1:{server}/healthz", timeout=10) as answer:
                assert answer.status == 200
            found = [each.result() for each in answers]
    finally:
        ended.set()
        watcher.join()
    statuses = Counter(status for status, _, _ in found)
    assert set(statuses) <= {202, 503} and statuses[202] >= 1, statuses
    for status, wait, body in found:
        if status == 503:
            assert (wait, orjson.loads(body)["code"]) == ("1", "overloaded")
    assert most[0] - before < 1_500_000_000, f"{(most[0] - before) / 1e6:.0f} MB"


def _environment(process: psutil.Process) -> str:
    try:
        return " ".join(f"{name}={value}" for name, value in process.environ().items())
    except psutil.Error:
        return ""
