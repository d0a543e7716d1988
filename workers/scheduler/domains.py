"""check_domains(ids): DNS is asked about domains, and what it said is written. Never here: what an answer means."""

from dataclasses import replace
from uuid import UUID

from common.config import current_settings
from common.db.session import transaction
from common.domain.dns_answers import Answer, Ask
from common.domain.domain_checks import check
from common.domain.reverse_dns import look
from common.queueing import tasks
from common.services import domains, readiness
from workers.resolver import NoAnswer, NoName, Resolver, Unclear
from workers.scheduler.authorities import Authorities
from workers.shell import task


@task(tasks.CHECK_DOMAINS)
def check_domains(ids: list[UUID]) -> None:
    """Ask with no transaction open, one domain after the other; a failed one is due again in two minutes."""
    settings = current_settings()
    for domain_id in ids:
        with transaction() as connection:
            wanted = domains.to_check(connection, settings, domain_id)
            senders = readiness.senders_of(connection, settings, domain_id)
        if wanted is None:
            continue
        name, records = wanted
        findings = check(name, records, settings.bounce_domain, Authorities(settings).ask)
        fresh = Resolver(replace(settings, redis_url=""))  # what is remembered may have just been mended
        sightings = look(senders, asking(fresh))
        with transaction() as connection:
            domains.report(connection, settings, domain_id, findings, sightings)


def asking(resolver: Resolver) -> Ask:
    """Questions to the resolver: what an address is called is not ours to publish, and needs no fresher answer."""

    def ask(name: str, kind: str) -> Answer:
        try:
            return Answer(tuple(each.rstrip(".").lower() for each in resolver.look_up(name, kind)), via="resolver")
        except (NoAnswer, NoName):
            return Answer(via="resolver")
        except Unclear as problem:
            return Answer(unclear=str(problem), via="resolver")

    return ask
