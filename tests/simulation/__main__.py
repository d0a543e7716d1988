"""`python -m tests.simulation`, which is `make simulate`: three days beside each other, a table and a picture."""

import argparse
import sys
import tempfile
from pathlib import Path

from common.domain.path_health import UNKNOWN
from common.domain.warming import cap_of
from deploy.engines import Engines
from tests.simulation.choices import MIDNIGHT, RAMP, ByPolicy, ByWeights, Chooser, InTurns
from tests.simulation.clocked import ClockedPaces
from tests.simulation.day import Day, Tally
from tests.simulation.picture import SECONDS, draw, shares
from tests.simulation.receivers import receivers


def main() -> int:
    """0 when what must hold did: fewer deferrals, earlier delivery, no warm-up above its cap, no mail lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--picture", type=Path, help="where to write the SVG")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sdx-") as folder:
        Path(folder).chmod(0o755)
        engines = Engines(Path(folder) / "home")
        engines.start()
        try:
            runs = simulate(options.messages, options.seed, engines.redis_url, loud=True)
        finally:
            engines.stop()
    print(table(runs, options.messages))
    if options.picture:
        options.picture.write_text(draw(runs, options.messages))
    broken = faults(runs, options.messages)
    print("\n".join(broken) or "fewer deferrals and earlier delivery than both, no cap exceeded, nothing lost")
    return 1 if broken else 0


def simulate(messages: int, seed: int, redis_url: str, *, loud: bool = False) -> list[tuple[str, Tally]]:
    """The same day by each way of choosing; ours comes first."""
    choosers: list[Chooser] = [ByPolicy(), InTurns(), ByWeights(seed)]
    runs = []
    for chooser in choosers:

        def progress(ended: int, name: str = chooser.name) -> None:
            if loud:
                print(f"\r{name}: {ended / messages:4.0%} of {messages:,}", end="", file=sys.stderr, flush=True)

        paces = ClockedPaces(redis_url)
        paces.clear()
        runs.append((chooser.name, Day(seed, messages, chooser, paces, receivers(seed)).run(progress)))
        progress(messages)
        if loud:
            print(file=sys.stderr)
    return runs


def table(runs: list[tuple[str, Tally]], messages: int) -> str:
    """A line for each way of choosing."""
    head = f"{'':14}{'deferrals':>11}{'given up':>10}{'new source, most at one':>26}   delivered within"
    lines = [head, f"{'':61}   " + "".join(f"{limit:>8g}s" for limit in SECONDS)]
    for name, tally in runs:
        most = max(tally.young.values(), default=0)
        curve = "".join(f"{share:9.2%}" for share in shares(tally, messages))
        lines.append(f"{name:14}{tally.deferrals:>11,}{tally.given_up:>10,}{most:>26,}   {curve}")
    return "\n".join([*lines, f"cap of the new source that day, at one provider: {cap()}"])


def cap() -> int:
    """What the warming source may carry to one provider on the simulated day."""
    found = cap_of(RAMP, MIDNIGHT, UNKNOWN)
    assert found is not None
    return found


def faults(runs: list[tuple[str, Tally]], messages: int) -> list[str]:
    """What does not hold, in words."""
    (_, ours), *others = runs
    found = [f"{name}: {messages - len(tally.waits) - tally.given_up} lost" for name, tally in runs
             if len(tally.waits) + tally.given_up != messages]  # fmt: skip
    over = {place: n for place, n in ours.young.items() if n > cap()}
    if over:
        found.append(f"the new source carried more than {cap()}: {over}")
    for name, other in others:
        if ours.deferrals >= other.deferrals:
            found.append(f"{ours.deferrals} deferrals, {other.deferrals} by {name}")
        pairs = zip(shares(ours, messages), shares(other, messages), strict=True)
        earlier = sum(mine - theirs for mine, theirs in pairs)
        if earlier <= 0:
            found.append(f"not delivered earlier than by {name}")
    return found


if __name__ == "__main__":
    sys.exit(main())
