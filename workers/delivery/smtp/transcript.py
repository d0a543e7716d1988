"""The transcript of one mail: who said which line when. Secrets and content are never put in."""

from collections.abc import Sequence

from common.clock import monotonic
from common.domain.outcomes import Line

MOST_LINES, MOST_TEXT = 96, 300


class Transcript:
    """Lines with milliseconds since `since`; bounded, so that no server fills a table."""

    __slots__ = ("_lines", "since", "stage")

    def __init__(self, since: float, stage: str = "mail", lines: Sequence[Line] = ()) -> None:
        self.since, self.stage = since, stage
        self._lines: list[Line] = list(lines)

    def add(self, who: str, text: str) -> None:
        """`who` is C (we), S (they) or * (a remark)."""
        if len(self._lines) < MOST_LINES:
            self._lines.append((int((monotonic() - self.since) * 1000), who, text[:MOST_TEXT]))

    def add_all(self, who: str, texts: Sequence[str]) -> None:
        """Lines that went out in one write."""
        at = int((monotonic() - self.since) * 1000)
        self._lines += [(at, who, text[:MOST_TEXT]) for text in texts[: MOST_LINES - len(self._lines)]]

    @property
    def lines(self) -> tuple[Line, ...]:
        return tuple(self._lines)

    @property
    def milliseconds(self) -> int:
        return int((monotonic() - self.since) * 1000)
