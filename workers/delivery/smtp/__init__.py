"""An SMTP client of our own: machines without a socket, and one thin driver that gives them one.

`opening` and `transactions` are generators: they yield acts (say, hear, encrypt), are sent what came of
each, and never touch a socket; `connection` performs the acts over a `channel`. Never here: databases,
Celery, or what a reply means for a message (common/domain/replies.py).
"""

from workers.delivery.smtp.connection import Connection, TlsMemory, connect
from workers.delivery.smtp.mails import Deadlines, Mail
from workers.delivery.smtp.session import ConnectFailed
from workers.delivery.smtp.target import Demand, Target, Tlsa

__all__ = ["ConnectFailed", "Connection", "Deadlines", "Demand", "Mail", "Target", "TlsMemory", "Tlsa", "connect"]
