"""How people and machines word failures, delays and absences: who writes, under which subject, in which words.

Never here: addresses, or what follows.
"""

import re

_I = re.IGNORECASE

DAEMON = re.compile(
    r"mailer-?daemon|post-?master|mail-?daemon|mail delivery|mail ?system|delivery (?:sub)?system|system administrator"
    r"|mail administrator|mdaemon|mail-?router|smtp|qmail|e?sendmail|exim|gateway|\bdaemon\b|bounce|mailsweeper"
    r"|mail ?deliver|mail transport|microsoft exchange|mailguard|messaging ?server|zustellung|administrateur"
    r"|groupwise|lotus|domino|staff@hotmail|mail robot|mailscanner|virus|antispam",
    _I,
)
FAILURE_SUBJECT = re.compile(
    r"undeliver(?:ed|able)|undelivrable|non.?deliver|not (?:be )?deliver|un(?:able|zustellbar)|delivery.{0,20}(?:fail|problem|"
    r"error|status|report|notif|trouble|unsuccess)|fail(?:ed|ure).{0,12}(?:deliver|notice|mail|message|e-mail|to send)"
    r"|deliver.{0,10}(?:fail|error)|returned (?:e-?)?mail|return(?:ed)? message|mail (?:system )?error|mail not|bounce"
    r"|returned to sender|user unknown|unknown (?:user|recipient)|mailbox (?:full|unavail|over)|not deliver|can ?not deliver"
    r"|could(?:n't| not) (?:be )?(?:deliver|send|find)|message (?:status|rejected|could|from .{0,30} refused)|rejected"
    r"|error sending|invalid (?:recipient|address|user)|no such user|problem (?:delivering|with your)|mail failure"
    r"|failure notice|nachricht.{0,20}nicht|unzustell|zustellung|fehlgeschlagen|nicht zugestellt|non remis|chec de"
    r"|mensaje.{0,20}(?:no |devuelto)|no entregado|devuelto|n[aã]o entregue|recapit|mancata consegna|impossibile"
    r"|配信(?:でき|不能|エラー|失敗)|不達|送信(?:エラー|でき|失敗)|エラーメール|戻り|退信|系统退信|未能送达|無法投遞|投递失败"
    r"|недоставлен|не доставлен|delivery error|undelivery|nondeliverable|dead letter|your (?:e-?mail|message) .{0,30}(?:not|fail)",
    _I,
)
DELAY = re.compile(
    r"warning message only|do not need to resend|delivery attempts will continue|will (?:be retried|keep trying|retry|"
    r"continue (?:to|trying)|still be)|no action is required on your part|transient non-fatal|has been delayed"
    r"|not yet been delivered|still being retried|attempts? to deliver .{0,40}will continue|delivery (?:is |was |has been )?delayed"
    r"|(?:is|was|being) delayed|remains in the queue|still on the queue|still in the queue|do not resend|遅延|遅れて"
    r"|it will retry|will try again|message will be returned|wird weiterhin versucht|verzögert",
    _I,
)
DELAY_SUBJECT = re.compile(r"delay|^warning[: ]|still being retried|not yet delivered|retard|verz(?:ö|oe)ger|遅延", _I)
FATAL = re.compile(
    r"permanent (?:fatal )?(?:error|failure)|given up|giving up|has been returned|undeliverable|i've given", _I
)
FAILURE_TEXT = re.compile(
    r"could(?:n't| not) be (?:delivered|sent)|can(?:not|'t) be delivered|unable to deliver|was not delivered|delivery failed"
    r"|permanent (?:fatal )?error|returned to (?:the )?sender|undeliverable|failed to deliver|user unknown|unknown user"
    r"|did(?:n't| not) reach|wasn't able to deliver|not able to deliver|mailbox (?:is )?full|no such user|error message"
    r"|message was (?:not|rejected|refused|returned)|(?:^|\s)[45]\d\d[ -][45]\.\d\.\d|could not deliver|rejected your message"
    r"|delivery .{0,20}(?:failed|error|problem)|recipient rejected|does not exist|undelivered|bounced|not deliverable"
    r"|配信できま|送信できま|届けられま|配送できま|存在しません|見つかりません|nicht zugestellt|no pudo|n'a pas pu",
    _I | re.MULTILINE,
)
ABSENCE_SUBJECT = re.compile(
    r"out of (?:the )?office|auto(?:matic|mated)?[ :-]{0,3}(?:reply|response|responder|re\b|r[eé]ponse|antwort)|^auto:|autoreply"
    r"|auto-?respon|vacation|on holiday|away from|i am away|i'm away|on leave|absen[ct]e?|abwesen|abwesend|ooo:|not in the office"
    r"|away message|autosvar|automatische|risposta automatica|respuesta autom|resposta autom|fuera de (?:la )?oficina|fuori"
    r"|自動(?:返信|応答|送信)|不在|休暇|自动回复|自動回覆|автоответ|r[eé]ponse automatique|thank you for (?:your|contacting)"
    r"|we(?:'ve| have) received your|your (?:request|ticket|message) (?:has been )?received|受け付け|受付",
    _I,
)
ABSENCE_TEXT = re.compile(
    r"\b(?:i am|i'm|i will be|i'll be) (?:currently )?(?:out of|away|on (?:vacation|holiday|leave))|out of (?:the )?office"
    r"|this is an auto(?:matic|mated) (?:reply|response)|limited access to (?:my )?e-?mail|autoresponder|auto-?reply"
    r"|不在にして|自動返信",
    _I,
)
UNSUBSCRIBE_SUBJECT = re.compile(
    r"(?:re: ?)?(?:un-?subscribe|opt-?out|remove(?: me)?|signoff|配信停止|解除)[ !.]{0,3}\Z", _I
)
