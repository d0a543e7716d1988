"""check_domains(ids): DNS is asked about domains, and what it said is written. Never here: what an answer means."""

from uuid import UUID

from common.config import current_settings
from common.db.session import transaction
from common.domain.domain_checks import check
from common.queueing import tasks
from common.services import domains
from workers.scheduler.authorities import Authorities
from workers.shell import task


@task(tasks.CHECK_DOMAINS)
def check_domains(ids: list[UUID]) -> None:
    """Ask with no transaction open, one domain after the other; a failed one is due again in two minutes."""
    settings = current_settings()
    for domain_id in ids:
        with transaction() as connection:
            wanted = domains.to_check(connection, settings, domain_id)
        if wanted is None:
            continue
        name, records = wanted
        findings = check(name, records, settings.bounce_domain, Authorities(settings).ask)
        with transaction() as connection:
            domains.report(connection, settings, domain_id, findings)
