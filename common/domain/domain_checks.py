"""Judging what DNS says about a sender domain: each record found against expected, with a diagnosis and a fix.

Parsed tags are compared, never strings: order, blanks and wrapping do not matter. Never here: asking DNS
(`ask` is given), or what follows for the domain's state.
"""

from collections.abc import Iterable, Sequence

from common.domain import dmarc, spf
from common.domain.dkim import parse_tags, read_record
from common.domain.dns_answers import Answer, Ask
from common.domain.domain_records import (
    FOUND,
    MISSING,
    PARTIAL,
    UNCLEAR,
    WRONG,
    Expected,
    Finding,
)


def check(domain: str, records: Sequence[Expected], bounce_domain: str, ask: Ask) -> list[Finding]:
    """A finding for every expected record, then for SPF and for the domain's own MX."""
    judges = {"dkim": _dkim, "dkim_retired": _retired, "tracking": _alias}
    findings = []
    for each in records:
        if each.purpose == "dmarc":
            findings.append(_dmarc(domain, each, ask))
        elif each.purpose == "return_path":
            findings.append(_return_path(each, bounce_domain, ask))
        else:
            findings.append(judges[each.purpose](each, ask))
    back = next((each for each in findings if each.purpose == "return_path"), None)
    sends_from = back.name if back is not None and back.state == FOUND else domain
    findings.append(_spf(sends_from, bounce_domain if sends_from != domain else "", ask))
    findings.append(_mx(domain, ask))
    return findings


def proved(findings: Iterable[Finding]) -> bool | None:
    """Whether a DKIM record of ours proves the domain; None when DNS said nothing clear about any."""
    states = [each.state for each in findings if each.purpose == "dkim" and each.expected and "k=rsa" in each.expected]
    if FOUND in states:
        return True
    return None if UNCLEAR in states else False


def _finding(
    expected: Expected, answer: Answer, state: str, diagnosis: str, fix: str = "", found: Sequence[str] | None = None
) -> Finding:
    seen = tuple(answer.seen if found is None else found)
    clipped = tuple(text[:600] for text in seen[:10])
    return Finding(
        expected.purpose,
        expected.type,
        expected.name,
        state,
        diagnosis,
        fix,
        expected.value or None,
        clipped,
        answer.via,
    )


def _unclear(expected: Expected, answer: Answer) -> Finding:
    text = f"DNS gave no clear answer for {expected.name}: {answer.unclear}."
    return _finding(expected, answer, UNCLEAR, text, "Check that the zone's name servers answer; it is asked again.")


def _missing(expected: Expected, answer: Answer) -> Finding:
    text = f"There is no {expected.type} record at {expected.name}."
    fix = f"Publish it with the value shown; most providers want only {expected.host!r} as its name."
    return _finding(expected, answer, MISSING, text, fix)


def _spread(expected: Expected, answer: Answer) -> Finding:
    text = f"The record is right, but {', '.join(answer.lacking)} do not have it yet."
    return _finding(expected, answer, PARTIAL, text, "Wait until every name server of the zone has it.")


def _dkim(expected: Expected, ask: Ask) -> Finding:
    answer = ask(expected.name, "TXT")
    if answer.unclear:
        return _unclear(expected, answer)
    if not answer.seen:
        return _missing(expected, answer)
    if len(answer.values) > 1:
        text = f"There are {len(answer.seen)} TXT records at {expected.name}; receivers take any of them."
        return _finding(expected, answer, WRONG, text, "Leave only the one with the value shown.")
    wanted = read_record(expected.value)
    for text in answer.seen:
        published = read_record(text)
        if not published.fault and (published.public, published.algorithm) == (wanted.public, wanted.algorithm):
            if text not in answer.values:
                return _spread(expected, answer)
            note = " It carries t=y, which asks receivers to ignore failures." if published.testing else ""
            return _finding(expected, answer, FOUND, "The key is published at every name server." + note)
    fault = read_record(answer.seen[0]).fault or "it holds another key"
    return _finding(expected, answer, WRONG, f"The record is there, but {fault}.", "Replace it with the value shown.")


def _retired(expected: Expected, ask: Ask) -> Finding:
    answer = ask(expected.name, "TXT")
    if answer.unclear:
        return _unclear(expected, answer)
    if all(read_record(text).revoked for text in answer.seen):
        return _finding(expected, answer, FOUND, "The old key is withdrawn.")
    return _finding(
        expected, answer, WRONG, "The old key is still published, although it signs no more.",
        "Replace it with an empty p=, or delete the record.",
    )  # fmt: skip


def _alias(expected: Expected, ask: Ask) -> Finding:
    answer = ask(expected.name, "CNAME")
    if answer.unclear:
        return _unclear(expected, answer)
    if expected.value in answer.values:
        return _finding(expected, answer, FOUND, "The alias is published at every name server.")
    if expected.value in answer.partial:
        return _spread(expected, answer)
    if answer.seen:
        return _finding(
            expected, answer, WRONG, f"The alias leads to {answer.seen[0]}.", "Let it lead to the value shown."
        )
    ours, theirs = ask(expected.value, "A"), ask(expected.name, "A")
    if theirs.values and set(theirs.values) <= set(ours.seen):
        text = "Your provider flattens the alias into its addresses, which are the right ones."
        return _finding(expected, theirs, FOUND, text)
    return _missing(expected, theirs if theirs.seen else answer)


def _return_path(expected: Expected, bounce_domain: str, ask: Ask) -> Finding:
    found = _alias(expected, ask)
    if found.state != MISSING:
        return found
    exchangers, texts = ask(expected.name, "MX"), ask(expected.name, "TXT")
    if exchangers.unclear or texts.unclear:
        return _unclear(expected, exchangers if exchangers.unclear else texts)
    hosts = {text.rpartition(" ")[2] for text in exchangers.values}
    ours = {text.rpartition(" ")[2] for text in ask(bounce_domain, "MX").seen} | {bounce_domain}
    permits = any(f"include:{bounce_domain}" in text.lower().split() for text in spf.spf_records(texts.values))
    seen = [*(f"MX {text}" for text in exchangers.seen), *spf.spf_records(texts.seen)]
    if hosts & ours and permits:
        return _finding(expected, exchangers, FOUND, "MX and SPF stand in for the alias.", found=seen)
    if seen:
        lacks = "an MX to it" if permits else f"a TXT record v=spf1 include:{bounce_domain} ~all"
        text = f"{expected.name} has records of its own, but lacks {lacks}."
        fix = f"Publish the alias instead, or MX 10 {bounce_domain} and v=spf1 include:{bounce_domain} ~all together."
        return _finding(expected, exchangers, WRONG, text, fix, seen)
    return found


def _dmarc(domain: str, expected: Expected, ask: Ask) -> Finding:
    walked = dmarc.walk(domain, ask)
    if walked.unclear:
        return _unclear(expected, walked.first)
    if walked.several:
        text = f"_dmarc.{walked.several[0]} has several DMARC records; receivers then ignore all of them."
        return _finding(expected, walked.first, WRONG, text, "Leave only one.")
    policy = walked.policy
    if policy is None:
        faulty = [text for text in walked.first.seen if "dmarc" in text.lower()]
        if faulty:
            text = f"The record at {expected.name} is not read as DMARC: {_dmarc_fault(faulty[0])}."
            return _finding(expected, walked.first, WRONG, text, "Replace it with the value shown.", faulty)
        return _missing(expected, walked.first)
    if not policy.applies:
        text = "The DMARC record has no valid p= and asks for no reports: it counts as none."
        return _finding(expected, walked.first, WRONG, text, "Add p=none, p=quarantine or p=reject.", [policy.record])
    where = "" if policy.domain == domain else f", taken from {policy.domain}"
    strict = " in test mode (t=y)" if policy.testing else ""
    reports = "" if policy.reports_to else " It asks for no reports: add rua=mailto:… to see who sends in your name."
    text = f"The policy is {policy.applies}{strict}{where}.{reports}"
    return _finding(expected, walked.first, FOUND, text, found=[policy.record])


def _dmarc_fault(text: str) -> str:
    try:
        parse_tags(text)
    except ValueError as error:
        return str(error)
    return "it must begin with v=DMARC1"


def _spf(host: str, bounce_domain: str, ask: Ask) -> Finding:
    """`bounce_domain` is what the record must permit; "" when mail leaves with the domain itself as sender."""
    place = Expected("spf", "TXT", "", host, f"v=spf1 include:{bounce_domain} ~all" if bounce_domain else "", False, "")
    answer = ask(host, "TXT")
    if answer.unclear:
        return _unclear(place, answer)
    records = spf.spf_records(answer.seen)
    if not records:
        text = f"{host} has no SPF record, so receivers cannot tell which servers may send for it."
        fix = (
            "Publish v=spf1 with the servers that send your mail." if not bounce_domain else "Publish the value shown."
        )
        return _finding(place, answer, MISSING, text, fix, ())
    if len(records) > 1:
        text = f"{host} has {len(records)} SPF records; receivers then give up (permerror)."
        return _finding(place, answer, WRONG, text, "Merge them into one.", records)
    counted = spf.count(host, records[0], ask)
    if counted.faults:
        text = "The SPF record cannot be used: " + "; ".join(counted.faults[:3]) + "."
        return _finding(place, answer, WRONG, text, "Correct or shorten it.", records)
    if counted.unclear:
        return _finding(place, answer, UNCLEAR, "Parts of the SPF record gave no clear answer.", "", records)
    text = f"One record, {counted.lookups} of {spf.MOST_LOOKUPS} look-ups, {counted.voids} of them void."
    return _finding(place, answer, FOUND, text, found=records)


def _mx(domain: str, ask: Ask) -> Finding:
    place = Expected("mx", "MX", "", domain, "", False, "")
    answer = ask(domain, "MX")
    if answer.unclear:
        return _unclear(place, answer)
    if any(text.rpartition(" ")[2] in ("", ".") for text in answer.seen):
        text = f"{domain} says that it takes no mail (null MX); many receivers refuse senders that nobody can answer."
        return _finding(place, answer, WRONG, text, "Publish an MX, or send from a domain that takes mail.")
    if answer.seen:
        return _finding(place, answer, FOUND, "Replies have somewhere to go.")
    if ask(domain, "A").seen or ask(domain, "AAAA").seen:
        return _finding(place, answer, FOUND, "There is no MX; replies go to the domain's own address.")
    text = f"{domain} takes no mail: it has neither MX nor address."
    return _finding(place, answer, MISSING, text, "Publish an MX so that replies arrive.")


def seen_selectors(findings: Iterable[Finding]) -> list[str]:
    """Selectors of DKIM records, of any algorithm, that were found at every server."""
    return [
        each.name.partition("._domainkey.")[0] for each in findings if each.purpose == "dkim" and each.state == FOUND
    ]
