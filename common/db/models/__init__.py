"""Every table, one file per noun. Columns, keys and foreign keys: the hot verbs are Core statements, no ORM object."""

from common.db.models.account import Account
from common.db.models.alert import Alert, AlertIncident
from common.db.models.analytics import (
    AnalyticsCohort,
    AnalyticsCount,
    AnalyticsCursor,
    AnalyticsProfile,
    AnalyticsRecipient,
    MetricTotal,
)
from common.db.models.api_key import ApiKey
from common.db.models.attempt import Attempt
from common.db.models.audit_entry import AuditEntry
from common.db.models.automation import PacingAutomation
from common.db.models.base import Base
from common.db.models.dead_letter import DeadLetter
from common.db.models.domain import Domain, DomainKey, Sender
from common.db.models.event import Event, EventStream
from common.db.models.hold import Hold
from common.db.models.idempotency_key import IdempotencyKey
from common.db.models.inbound_mail import InboundMail
from common.db.models.job import Job, JobPart
from common.db.models.mailbox_message import MailboxMessage
from common.db.models.message import Message, MessageContent
from common.db.models.policy import PathHealth, Policy, PolicyCanary, PolicyDraft, RecipientPlace, WarmupDay
from common.db.models.reply_rule import ReplyRule, UnknownReply
from common.db.models.search import SearchCursor, SearchEntry
from common.db.models.source import Source
from common.db.models.source_test import SourceTest
from common.db.models.suppression import Suppression
from common.db.models.template import Template, TemplateVersion
from common.db.models.tls_result import TlsResult
from common.db.models.user import Session, User
from common.db.models.webhook import (
    Webhook,
    WebhookAttempt,
    WebhookDelivery,
    WebhookHealth,
    WebhookSecret,
)

__all__ = [
    "Account",
    "Alert",
    "AlertIncident",
    "AnalyticsCohort",
    "AnalyticsCount",
    "AnalyticsCursor",
    "AnalyticsProfile",
    "AnalyticsRecipient",
    "ApiKey",
    "Attempt",
    "AuditEntry",
    "Base",
    "DeadLetter",
    "Domain",
    "DomainKey",
    "Event",
    "EventStream",
    "Hold",
    "IdempotencyKey",
    "InboundMail",
    "Job",
    "JobPart",
    "MailboxMessage",
    "Message",
    "MessageContent",
    "MetricTotal",
    "PacingAutomation",
    "PathHealth",
    "Policy",
    "PolicyCanary",
    "PolicyDraft",
    "RecipientPlace",
    "ReplyRule",
    "SearchCursor",
    "SearchEntry",
    "Sender",
    "Session",
    "Source",
    "SourceTest",
    "Suppression",
    "Template",
    "TemplateVersion",
    "TlsResult",
    "UnknownReply",
    "User",
    "WarmupDay",
    "Webhook",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookHealth",
    "WebhookSecret",
]
