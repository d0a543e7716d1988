"""An SMTP port of ours in a thread of the test: started, asked, stopped. Never here: what it should answer."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

Run = Callable[[asyncio.Event, Callable[[Any], None]], Coroutine[Any, Any, None]]


@contextmanager
def listening(run: Run) -> Iterator[Any]:
    """What `run` tells when it listens (its port); it is asked to stop at the end and must do so."""
    told: list[Any] = []
    ready, kept = threading.Event(), dict[str, Any]()

    def started(found: Any) -> None:
        told.append(found)
        ready.set()

    async def main() -> None:
        kept["loop"], kept["stop"] = asyncio.get_running_loop(), asyncio.Event()
        await run(kept["stop"], started)

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert ready.wait(20), "it does not listen"
    try:
        yield told[0]
    finally:
        with suppress(RuntimeError):  # the test has stopped it already
            kept["loop"].call_soon_threadsafe(kept["stop"].set)
        thread.join(20)
        assert not thread.is_alive(), "it does not stop"
