"""How people and machines word failures, delays and absences: who writes, under which subject, in which words.

Never here: addresses, or what follows.
"""

import re


def _any(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE | re.MULTILINE)


DAEMON = _any(
    r"mailer-?daemon|post-?master|mail-?daemon|mail delivery|mail ?system|delivery (?:sub)?system",
    r"system administrator|mail administrator|mdaemon|mail-?router|smtp|qmail|e?sendmail|exim|gateway",
    r"\bdaemon\b|bounce|mailsweeper|mail ?deliver|mail transport|microsoft exchange|mailguard",
    r"messaging ?server|zustellung|administrateur|groupwise|lotus|domino|staff@hotmail|mail robot",
    r"mailscanner|virus|antispam",
)
FAILURE_SUBJECT = _any(
    r"undeliver(?:ed|able)|undelivrable|non.?deliver|not (?:be )?deliver|un(?:able|zustellbar)",
    r"delivery.{0,20}(?:fail|problem|error|status|report|notif|trouble|unsuccess)",
    r"fail(?:ed|ure).{0,12}(?:deliver|notice|mail|message|e-mail|to send)|deliver.{0,10}(?:fail|error)",
    r"returned (?:e-?)?mail|return(?:ed)? message|mail (?:system )?error|mail not|bounce",
    r"returned to sender|user unknown|unknown (?:user|recipient)|mailbox (?:full|unavail|over)",
    r"not deliver|can ?not deliver|could(?:n't| not) (?:be )?(?:deliver|send|find)",
    r"message (?:status|rejected|could|from .{0,30} refused)|rejected|error sending",
    r"invalid (?:recipient|address|user)|no such user|problem (?:delivering|with your)|mail failure",
    r"failure notice|nachricht.{0,20}nicht|unzustell|zustellung|fehlgeschlagen|nicht zugestellt",
    r"non remis|chec de|mensaje.{0,20}(?:no |devuelto)|no entregado|devuelto|n[aã]o entregue|recapit",
    r"mancata consegna|impossibile|配信(?:でき|不能|エラー|失敗)|不達|送信(?:エラー|でき|失敗)",
    r"エラーメール|戻り|退信|系统退信|未能送达|無法投遞",
    r"投递失败|недоставлен|не доставлен|delivery error|undelivery|nondeliverable|dead letter",
    r"your (?:e-?mail|message) .{0,30}(?:not|fail)",
)
DELAY = _any(
    r"warning message only|do not need to resend|delivery attempts will continue",
    r"will (?:be retried|keep trying|retry|continue (?:to|trying)|still be)",
    r"no action is required on your part|transient non-fatal|has been delayed|not yet been delivered",
    r"still being retried|attempts? to deliver .{0,40}will continue",
    r"delivery (?:is |was |has been )?delayed|(?:is|was|being) delayed|remains in the queue",
    r"still on the queue|still in the queue|do not resend|遅延|遅れて|it will retry|will try again",
    r"message will be returned|wird weiterhin versucht|verzögert",
)
DELAY_SUBJECT = _any(
    r"delay|^warning[: ]|still being retried|not yet delivered|retard|verz(?:ö|oe)ger|遅延",
)
FATAL = _any(
    r"permanent (?:fatal )?(?:error|failure)|given up|giving up|has been returned|undeliverable",
    r"i've given",
)
FAILURE_TEXT = _any(
    r"could(?:n't| not) be (?:delivered|sent)|can(?:not|'t) be delivered|unable to deliver",
    r"was not delivered|delivery failed|permanent (?:fatal )?error|returned to (?:the )?sender",
    r"undeliverable|failed to deliver|user unknown|unknown user|did(?:n't| not) reach",
    r"wasn't able to deliver|not able to deliver|mailbox (?:is )?full|no such user|error message",
    r"message was (?:not|rejected|refused|returned)|(?:^|\s)[45]\d\d[ -][45]\.\d\.\d|could not deliver",
    r"rejected your message|delivery .{0,20}(?:failed|error|problem)|recipient rejected|does not exist",
    r"undelivered|bounced|not deliverable",
    r"配信できま|送信できま|届けられま|配送できま|存在しません|見つかりません|nicht zugestellt",
    r"no pudo|n'a pas pu",
)
ABSENCE_SUBJECT = _any(
    r"out of (?:the )?office",
    r"auto(?:matic|mated)?[ :-]{0,3}(?:reply|response|responder|re\b|r[eé]ponse|antwort)|^auto:",
    r"autoreply|auto-?respon|vacation|on holiday|away from|i am away|i'm away|on leave|absen[ct]e?",
    r"abwesen|abwesend|ooo:|not in the office|away message|autosvar|automatische|risposta automatica",
    r"respuesta autom|resposta autom|fuera de (?:la )?oficina|fuori|自動(?:返信|応答|送信)|不在|休暇|自动回复|自動回覆",
    r"автоответ|r[eé]ponse automatique|thank you for (?:your|contacting)|we(?:'ve| have) received your",
    r"your (?:request|ticket|message) (?:has been )?received|受け付け|受付",
)
ABSENCE_TEXT = _any(
    r"\b(?:i am|i'm|i will be|i'll be) (?:currently )?(?:out of|away|on (?:vacation|holiday|leave))",
    r"out of (?:the )?office|this is an auto(?:matic|mated) (?:reply|response)",
    r"limited access to (?:my )?e-?mail|autoresponder|auto-?reply|不在にして|自動返信",
)
UNSUBSCRIBE_SUBJECT = _any(
    r"(?:re: ?)?(?:un-?subscribe|opt-?out|remove(?: me)?|signoff|配信停止|解除)[ !.]{0,3}\Z",
)
