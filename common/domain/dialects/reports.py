"""What an import changed or lost, one remark for each place. Never here: converting."""

from dataclasses import dataclass, field
from typing import Any

MOST = 200
CODES = ("lost", "guessed", "renamed", "changed", "missing")


@dataclass(slots=True)
class Report:
    """Remarks in the order of the source. `part` is what is being read."""

    part: str = "html"
    remarks: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, code: str, message: str, source: str | None = None, at: tuple[str, int] | None = None) -> None:
        """`at` is the whole text and the offset in it; a remark that was made already is not made again."""
        line = None if at is None else at[0].count("\n", 0, at[1]) + 1
        shown = None if source is None else source[:200]
        said = {"code": code, "part": self.part, "line": line, "source": shown, "message": message}
        if len(self.remarks) < MOST and said not in self.remarks:
            self.remarks.append(said)
