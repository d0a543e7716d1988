"""Names of sending addresses: one that providers refuse must not be called good, nor a good one refused."""

import pytest

from common.domain.dns_answers import Answer
from common.domain.reverse_dns import Sender, Sighting, look

Zone = dict[tuple[str, str], list[str] | str]
IP, NAME = "198.41.0.4", "mail.example.com"
POINTER = "4.0.41.198.in-addr.arpa"
GOOD: Zone = {(POINTER, "PTR"): [NAME], (NAME, "A"): [IP]}


def seen(zone: Zone, ehlo: str = NAME, *binds: str) -> Sighting:
    def ask(name: str, kind: str) -> Answer:
        found = zone.get((name, kind), [])
        return Answer(unclear=found) if isinstance(found, str) else Answer(tuple(found))

    (found,) = look([Sender("direct", ehlo, binds)], ask)
    assert found.text.startswith("direct: ") and bool(found.fix) == (found.state in ("failed", "warning"))
    return found


@pytest.mark.parametrize("binds", [(IP,), (), ("10.0.0.7",), ("10.0.0.7", IP)])
def test_a_name_that_leads_back_is_refused(binds: tuple[str, ...]) -> None:
    assert seen(dict(GOOD), NAME, *binds).state == "ok"


@pytest.mark.parametrize(
    ("zone", "ehlo", "state", "word"),
    [
        ({(NAME, "A"): [IP]}, NAME, "failed", "no PTR"),
        ({(POINTER, "PTR"): ["ip4.isp.example"]}, NAME, "failed", "does not lead back"),
        ({(POINTER, "PTR"): [NAME], (NAME, "A"): ["198.41.0.5"]}, NAME, "failed", "does not lead back"),
        ({(POINTER, "PTR"): [NAME], (NAME, "A"): [IP]}, "other.example.com", "warning", "says other.example.com"),
        ({(POINTER, "PTR"): ["x.example", NAME], (NAME, "A"): [IP]}, NAME, "ok", "both ways"),
        ({(POINTER, "PTR"): "SERVFAIL"}, NAME, "unknown", "no clear answer"),
        ({(POINTER, "PTR"): [NAME], (NAME, "A"): "SERVFAIL"}, NAME, "unknown", "no clear answer"),
    ],
)
def test_an_address_is_taken_for_something_else(
    zone: dict[tuple[str, str], list[str] | str], ehlo: str, state: str, word: str
) -> None:
    found = seen(zone, ehlo, IP)
    assert (found.state, word in found.text) == (state, True), found


def test_a_source_without_an_address_passes() -> None:
    assert seen({}).state == "failed"
    assert seen({(NAME, "A"): "SERVFAIL"}).state == "unknown"


def test_the_good_address_hides_the_bad_one() -> None:
    six = "2606:4700::1"
    assert seen(dict(GOOD), NAME, IP, six).state == "failed"
