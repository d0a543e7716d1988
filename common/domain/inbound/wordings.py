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
    r"退回|未能投递|无法投递|無法傳遞|無法送達|无法送达|投遞失敗|传递失败|배달되지|배달 실패|발송 실패",
    r"전송 실패|반송|전달되지",
    r"投递失败|недоставлен|не доставлен|delivery error|undelivery|nondeliverable|dead letter",
    r"your (?:e-?mail|message) .{0,30}(?:not|fail)",
    r"no se pu(?:ede|do) entregar|error de entrega|fallo (?:en|de) la entrega|correo devuelto",
    r"n[aã]o p[oôu]de ser entregue",
    r"n[aã]o (?:entregue|foi entregue|entreg[aá]vel)|falha na entrega|devolvid|onbestelbaar",
    r"niet (?:afgeleverd|bezorgd)",
    r"niedostarcz|nie dostarczono|zwrot wiadomo|nedoru[cč]|doru[cč]it|kan(?: ikke| inte|) levere|ikke lever",
    r"inte lever",
    r"toimitus ep[aä]onnistui|ei voitu toimittaa|teslim (?:edilemedi|ba[sş]ar[iı]s[iı]z)|iletilemedi|k[eé]zbes[ií]t",
    r"не удалось доставить|недоставленн|ошибка доставки|не доставлен|возврат|μη παραδοτέο|αποτυχία παράδοσης",
    r"fallita|non riuscita|recapito|échec|宛先不明|届けでき|届きません|届けられ|配送(?:エラー|失敗|不能)|返送",
    r"配信.{0,6}失敗",
    r"échoué|non distribu|retour (?:à l')?exp|mail undeliv|zur[uü]ck an absender",
    r"fehler bei der (?:nachricht|zustell|[uü]bermitt)",
)
DELAY = _any(
    r"warning message only|do not need to resend|delivery attempts will continue",
    r"will (?:be retried|keep trying|retry|continue (?:to|trying)|still be)",
    r"no action is required on your part|transient non-fatal|has been delayed|not yet been delivered",
    r"still being retried|attempts? to deliver .{0,40}will continue",
    r"delivery (?:is |was |has been )?delayed|(?:is|was|being) delayed|remains in the queue",
    r"still on the queue|still in the queue|do not resend|遅延|遅れて|it will retry|will try again",
    r"message will be returned|wird weiterhin versucht|verzögert",
    r"重试|重試|延迟|延遲|延誤|지연|다시 시도|retard|différ|diff[eé]r[eé]|aplazad|retras|ritard|atras|vertraag",
    r"opóźni|försena",
    r"まだ配信されて|配信は引き続き|tentatives de remise",
    r"forsink|viivästy|gecik|задерж|отложен|引き続き|再送を試み|まだ配信されて",
)
DELAY_SUBJECT = _any(
    r"delay|^warning[: ]|still being retried|not yet delivered|retard|verz(?:ö|oe)ger|遅延",
    r"différ|aplazad|retras|ritard|atras(?:ad|o)|vertraag|opóźni|försena|forsink|viivästy|gecik|задерж|延迟",
    r"延遲|지연",
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
    r"no pudo|n'a pas pu|no se (?:pudo|puede|ha podido) (?:entregar|enviar)|[eé]chec de la remise|n'a pu [eê]tre",
    r"n[aã]o (?:p[oôu]de|foi) (?:ser )?(?:entregue|poss[ií]vel entregar)|falha na entrega|recapito non",
    r"non [eè] stato (?:possibile )?",
    r"niet gelukt|niet (?:worden )?(?:bezorgd|afgeleverd)|nie (?:można|udało się|mogła zostać) .{0,20}dostarcz",
    r"gick inte att leverera|kunne ikke leveres|levering mislykkedes|toimitus|teslim edilemedi",
    r"nelze doru[cč]it|nepodařilo se doru",
    r"не удалось доставить|не (?:может быть|была|было) доставлен|未能送达|无法送达|退回|退信",
    r"無法.{0,12}(?:傳遞|送達)|배달하지 못|보내지 못|전송하지 못",
    r"konnte nicht (?:zugestellt|übermittelt)|届けできません|送信に失敗|配信に失敗|配送に失敗|不達",
)
ABSENCE_SUBJECT = _any(
    r"out of (?:the )?office",
    r"auto(?:matic|mated)?[ :-]{0,3}(?:reply|response|responder|re\b|r[eé]ponse|antwort)|^auto:",
    r"autoreply|auto-?respon|vacation|on holiday|away from|i am away|i'm away|on leave|absen[ct]e?",
    r"abwesen|abwesend|ooo:|not in the office|away message|autosvar|automatische|risposta automatica",
    r"respuesta autom|resposta autom|fuera de (?:la )?oficina|fuori|自動(?:返信|応答|送信)|不在|休暇|自动回复",
    r"自動回覆",
    r"автоответ|r[eé]ponse automatique|thank you for (?:your|contacting)|we(?:'ve| have) received your",
    r"your (?:request|ticket|message) (?:has been )?received|受け付け|受付",
    r"r[eé]ponse automatique|automatisch antwoord|automatisk (?:svar|besked)|automaattinen",
    r"odpowied[zź] automatyczna|automatyczna odpowied",
    r"automatick[aáeé]|otomatik yan[iı]t|автоматическ(?:ий|ое) ответ|автоответ|休業|休暇|夏季休|年末年始|お盆",
    r"자동 (?:회신|응답)|부재",
    r"afwezig|poissa|nieobecno|nep[rř][ií]tom|ofis d[iı][sş][iı]|automatikus|automat[iă]|αυτόματη|رد تلقائي",
    r"tự động|otomatis|休假|外出",
)
ABSENCE_TEXT = _any(
    r"\b(?:i am|i'm|i will be|i'll be) (?:currently )?(?:out of|away|on (?:vacation|holiday|leave))",
    r"out of (?:the )?office|this is an auto(?:matic|mated) (?:reply|response)",
    r"limited access to (?:my )?e-?mail|autoresponder|auto-?reply|不在にして|自動返信",
    r"nicht im b[uü]ro|(?:ich bin|bin ich) (?:im urlaub|abwesend|bis)|im urlaub und|absente? du bureau",
    r"je suis (?:absent|en cong)",
    r"fuera de la oficina|estar[eé] fuera|fuori (?:ufficio|sede)|ausente do escrit|ik ben afwezig",
    r"semester till|ikke på kontoret",
    r"poissa toimistosta|poza biurem|mimo kancel|ofis dışında|нет в офисе|休業いたし|休暇をいただ|不在とさせて",
    r"不在のため|不在となり",
    r"不在办公室|不在辦公室|부재중",
)
UNSUBSCRIBE_SUBJECT = _any(
    r"(?:re: ?)?(?:un-?subscribe|opt-?out|remove(?: me)?|signoff|配信停止|解除)[ !.]{0,3}\Z",
)
