"""Returned mails in a system's own words, in many languages and encodings: failures, delays, automatic answers.

Never here: forms that pass on what a remote server said (samples.py).
"""

from collections.abc import Callable, Iterator
from itertools import product

from tests.unit.inbound.samples import RECIPIENTS, Sample, dsn, original, plain, report

MORE = (
    *RECIPIENTS,
    "taro.yamada@docomo.ne.jp",
    "hanako_s@ezweb.ne.jp",
    "jiro@softbank.ne.jp",
    "u1234@i.softbank.jp",
    "saburo@rakuten.jp",
    "x@kwansei.example.ac.jp",
)

JAPANESE = (
    (
        "メール配信エラー (User unknown)",
        "宛先のメールアドレスが見つかりませんでした。\n\n宛先: {r}\n",
        "invalid_recipient",
    ),
    (
        "送信エラーのお知らせ",
        "以下の宛先にメールを送信できませんでした。\n\n  <{r}>\n\n理由: 宛先メールアドレスが存在しません。\n",
        "invalid_recipient",
    ),
    (
        "配信エラー通知",
        "あなたが送信したメールは、次の受信者に配信できませんでした。\n\n{r}\n\n"
        "受信者のメールボックスがいっぱいです。\n",
        "mailbox_full",
    ),
    (
        "メールが送信できませんでした",
        "次のあて先へのメールは配信できませんでした。\n{r}\n\nメールボックスの容量を超過しています。\n",
        "mailbox_full",
    ),
    (
        "Undelivered Mail Returned to Sender",
        "送信されたメールは相手先サーバーに届けられませんでした。\n\n<{r}>: ユーザーが存在しません\n",
        "invalid_recipient",
    ),
    (
        "エラーメール: 宛先不明",
        "宛先不明のため、メールをお届けできませんでした。\n\n受信者: {r}\n",
        "invalid_recipient",
    ),
    (
        "【不達通知】メールをお届けできませんでした",
        "受信者の設定により、メールの受信が拒否されました。\n\n宛先： {r}\n",
        "recipient_filtered",
    ),
    (
        "配信不能: ご注文",
        "この受信者またはグループへの配信に失敗しました:\n\n{r}\n"
        "メッセージのサイズが大きすぎるため、配信できません。\n",
        "too_large",
    ),
)
EUROPEAN = (
    (
        "Unzustellbar: Ihre Bestellung",
        "Fehler bei der Nachrichtenzustellung an folgende Empfänger oder Gruppen:\n\n{r}\nDie eingegebene "
        "E-Mail-Adresse konnte nicht gefunden werden.\n",
        "invalid_recipient",
    ),
    (
        "Nachricht nicht zugestellt",
        "Ihre Nachricht konnte an die folgenden Empfänger nicht zugestellt werden:\n\n  {r}\n\nDas Postfach "
        "des Empfängers ist voll.\n",
        "mailbox_full",
    ),
    (
        "Non remis : votre commande",
        "Échec de la remise pour ces destinataires ou groupes :\n\n{r}\nL'adresse e-mail que vous avez entrée "
        "est introuvable.\n",
        "invalid_recipient",
    ),
    (
        "Échec de la remise",
        "Votre message n'a pas pu être remis aux destinataires suivants :\n\n{r}\nLa boîte aux lettres du "
        "destinataire est pleine.\n",
        "mailbox_full",
    ),
    (
        "No se puede entregar: su pedido",
        "No se pudo entregar el mensaje a estos destinatarios o grupos:\n\n{r}\nNo se encontró la dirección de "
        "correo electrónico que especificó.\n",
        "invalid_recipient",
    ),
    (
        "Mensaje no entregado",
        "Su mensaje no se pudo entregar a:\n\n  {r}\n\nEl buzón del destinatario está lleno.\n",
        "mailbox_full",
    ),
    (
        "Non recapitabile: ordine",
        "Il recapito non è riuscito per i seguenti destinatari o gruppi:\n\n{r}\nL'indirizzo di posta "
        "elettronica immesso non è stato trovato.\n",
        "invalid_recipient",
    ),
    (
        "Mancata consegna del messaggio",
        "Il messaggio non è stato consegnato a:\n\n{r}\nLa casella di posta del destinatario è piena.\n",
        "mailbox_full",
    ),
    (
        "Não entregue: o seu pedido",
        "Falha na entrega para estes destinatários ou grupos:\n\n{r}\nO endereço de email inserido não foi "
        "encontrado.\n",
        "invalid_recipient",
    ),
    (
        "Mensagem não entregue",
        "A sua mensagem não pôde ser entregue a:\n\n{r}\nA caixa de correio do destinatário está cheia.\n",
        "mailbox_full",
    ),
    (
        "Onbestelbaar: uw bestelling",
        "Het is niet gelukt om het bericht te bezorgen bij deze ontvangers of groepen:\n\n{r}\nHet e-mailadres "
        "dat u hebt opgegeven, is niet gevonden.\n",
        "invalid_recipient",
    ),
    (
        "Niedostarczalne: zamówienie",
        "Nie można dostarczyć wiadomości do następujących adresatów lub grup:\n\n{r}\nNie znaleziono "
        "wprowadzonego adresu e-mail.\n",
        "invalid_recipient",
    ),
    (
        "Kan inte levereras: order",
        "Det gick inte att leverera till följande mottagare eller grupper:\n\n{r}\nE-postadressen du angav "
        "hittades inte.\n",
        "invalid_recipient",
    ),
    (
        "Ikke leveret: ordre",
        "Levering mislykkedes til disse modtagere eller grupper:\n\n{r}\nDen angivne e-mailadresse blev ikke fundet.\n",
        "invalid_recipient",
    ),
    (
        "Teslim edilemedi: sipariş",
        "Bu alıcılara veya gruplara teslim edilemedi:\n\n{r}\nGirdiğiniz e-posta adresi bulunamadı.\n",
        "invalid_recipient",
    ),
    (
        "Не удалось доставить: заказ",
        "Не удалось доставить сообщение следующим получателям или группам:\n\n{r}\nУказанный адрес электронной "
        "почты не найден.\n",
        "invalid_recipient",
    ),
    (
        "Недоставленное сообщение",
        "Ваше сообщение не было доставлено:\n\n{r}\nПочтовый ящик получателя переполнен.\n",
        "mailbox_full",
    ),
)
ASIAN = (
    ("系统退信", "很抱歉，您的邮件被退回。\n\n收件人： {r}\n退信原因：收件人地址不存在\n", "invalid_recipient"),
    ("来自qq.com的退信", "您好！您的邮件未能送达。\n\n收件人 {r}\n收件人的邮箱已满\n", "mailbox_full"),
    ("無法投遞的郵件", "無法將您的郵件傳遞給下列收件者：\n\n{r}\n找不到您輸入的電子郵件地址。\n", "invalid_recipient"),
    (
        "배달되지 않음: 주문",
        "다음 받는 사람이나 그룹에게 배달하지 못했습니다.\n\n{r}\n입력한 전자 메일 주소를 찾을 수 없습니다.\n",
        "invalid_recipient",
    ),
    (
        "메일 발송 실패 안내",
        "다음 수신자에게 메일을 보내지 못했습니다.\n\n수신자: {r}\n수신자의 메일함이 가득 찼습니다.\n",
        "mailbox_full",
    ),
)


def _spoken(table: tuple[tuple[str, str, str], ...], charsets: tuple[str, ...]) -> Iterator[Sample]:
    for (subject, text, category), r, charset in product(table, MORE, charsets):
        raw = plain("postmaster@mx.example.org", subject, text.format(r=r), charset=charset)
        yield Sample(raw, "bounce", (r,), (category,))


def japanese() -> Iterator[Sample]:
    yield from _spoken(JAPANESE, ("iso-2022-jp", "shift_jis", "euc-jp", "utf-8", "raw", "base64", "html"))


def european() -> Iterator[Sample]:
    yield from _spoken(EUROPEAN, ("utf-8", "raw", "base64", "html"))


def asian() -> Iterator[Sample]:
    yield from _spoken(ASIAN, ("utf-8", "raw"))


def exchange_languages() -> Iterator[Sample]:
    """The report in the user's language over a standard status part."""
    for (subject, text, _), r, code in product(EUROPEAN[::3] + JAPANESE[-1:], RECIPIENTS, ("5.1.1", "5.1.10")):
        status = dsn(
            r, "failed", code, f"smtp;550 {code} RESOLVER.ADR.RecipientNotFound; not found", "dns;EX01.example.org"
        )
        yield Sample(
            report("Microsoft Outlook <postmaster@example.org>", subject, text.format(r=r), status, original(r)),
            "bounce",
            (r,),
            ("invalid_recipient",),
        )


CARRIERS = (
    (
        "MAILER-DAEMON@docomo.ne.jp",
        "Mail System Error - Returned Mail",
        "This message was undeliverable due to the following reason:\n\n550 Unknown user {r}\n\n",
        "invalid_recipient",
    ),
    (
        "Mail Delivery Subsystem <MAILER-DAEMON@mfsmax.docomo.ne.jp>",
        "Returned mail: User unknown",
        "The original message was received at Thu, 19 Nov 2026 19:00:00 +0900\n\n   ----- The following addresses "
        "had permanent "
        "fatal errors -----\n<{r}>\n\n   ----- Transcript of session follows -----\n... while talking to "
        "mfsmax.docomo.ne.jp.:\n"
        ">>> DATA\n<<< 550 Unknown user {r}\n554 5.0.0 Service unavailable\n",
        "invalid_recipient",
    ),
    (
        "Postmaster@ezweb.ne.jp",
        "Mail System Error - Returned Mail",
        "Your message cannot be delivered to the following recipients:\n\n  The following recipients haven't "
        "received this "
        "message:\n\n <{r}>\n\n  550 <{r}>: User unknown\n",
        "invalid_recipient",
    ),
    (
        "Postmaster@au.com",
        "Mail System Error - Returned Mail",
        "The user(s) account is temporarily over quota.\n\n<{r}>\n",
        "mailbox_full",
    ),
    (
        "Postmaster@ezweb.ne.jp",
        "Mail System Error - Returned Mail",
        "The user(s) account is disabled.\n\n<{r}>\n",
        "mailbox_disabled",
    ),
    (
        "Postmaster@ezweb.ne.jp",
        "Mail System Error - Returned Mail",
        "The following recipients did not receive this message:\n\n    <{r}>\n\nThe user(s) rejects mail from "
        "your domain by "
        "the receiver's filter setting.\n",
        "recipient_filtered",
    ),
    (
        "MAILER-DAEMON@softbank.ne.jp",
        "Undelivered Mail Returned to Sender",
        "<{r}>: host mx.softbank.ne.jp[192.0.2.3] said: 550 Invalid recipient: <{r}> (in reply to RCPT TO command)\n",
        "invalid_recipient",
    ),
    (
        "MAILER-DAEMON@softbank.ne.jp",
        "Returned mail",
        "   ----- The following addresses had permanent fatal errors -----\n<{r}>\n\n   ----- Transcript of "
        "session follows "
        "-----\n<<< 552 5.2.2 Mailbox full {r}\n",
        "mailbox_full",
    ),
    (
        "MAILER-DAEMON@rakuten.jp",
        "Undelivered Mail Returned to Sender",
        "<{r}>: host mx.rakuten.jp[192.0.2.3] said: 554 5.1.1 The user does not exist. (in reply to RCPT TO command)\n",
        "invalid_recipient",
    ),
    (
        "postmaster@biglobe.ne.jp",
        "Returned mail: see transcript for details",
        "   ----- The following addresses had delivery problems -----\n{r}\n\n   ----- Non-delivered information "
        "-----\nThe "
        "number of messages in recipient's mailbox exceeded the local limit.\n",
        "mailbox_full",
    ),
    (
        "postmaster@nifty.example.jp",
        "Delivery failure",
        "Your message was not delivered to the following recipient.\n\n    {r}\n\nReason: mailbox is inactive and "
        "has been "
        "suspended.\n",
        "mailbox_disabled",
    ),
)


def carriers() -> Iterator[Sample]:
    for (sender, subject, text, category), r, charset in product(CARRIERS, MORE, ("utf-8", "iso-2022-jp")):
        body = text.format(r=r) + "\n--- Original message follows.\n\n" + original(r)
        yield Sample(plain(sender, subject, body, charset=charset), "bounce", (r,), (category,))


LOCAL = (
    (
        "<{r}>: Host or domain name not found. Name service error for name=example.net type=A: Host not found",
        "5.4.4",
        "bad_domain",
    ),
    ('<{r}>: unknown user: "neko"', "5.1.1", "invalid_recipient"),
    ("<{r}>: mail for example.net loops back to myself", "5.4.6", "remote_error"),
    ("<{r}>: connect to mx.example.net[192.0.2.3]:25: Connection timed out", "4.4.1", "connection"),
    ("<{r}>: maildir delivery failed: The user you are trying to contact is over quota", "5.2.2", "mailbox_full"),
)


def local() -> Iterator[Sample]:
    for (words, code, category), r in product(LOCAL, MORE):
        text = "This is the mail system at host mx.example.org.\n\n" + words.format(r=r)
        told = dsn(r, "failed", code, "X-Postfix; " + words.format(r=r).partition(": ")[2])
        yield Sample(
            report("MAILER-DAEMON@mx.example.org", "Undelivered Mail Returned to Sender", text, told, original(r)),
            "bounce",
            (r,),
            (category, "expired", "undetermined"),
        )


DELAYS = (
    (
        "Delayed Mail (still being retried)",
        "THIS IS A WARNING ONLY. YOU DO NOT NEED TO RESEND YOUR MESSAGE.\n\nYour message could "
        "not be delivered for more than 4 hour(s).\nIt will be retried until it is 5 day(s) old.\n\n<{r}>: "
        "connect to "
        "mx.example.net[192.0.2.3]:25: Connection timed out\n",
    ),
    (
        "Warning: message 1abc-2 delayed 24 hours",
        "A message that you sent has not yet been delivered to one or more of its\n"
        "recipients after more than 24 hours on the queue on mx.example.org.\n\nThe address to which the message "
        "has not yet been "
        "delivered is:\n\n  {r}\n\nNo action is required on your part. Delivery attempts will continue for\n"
        "some time.\n",
    ),
    (
        "Warning: could not send message for past 4 hours",
        "   ----- The following addresses had transient non-fatal errors -----\n"
        "<{r}>\n\n   ----- Transcript of session follows -----\n<{r}>... Deferred: Connection refused by "
        "mx.example.net.\nWarning: "
        "message still undelivered after 4 hours\nWill keep trying until message is 5 days old\n",
    ),
    (
        "Delivery Status Notification (Delay)",
        "This is an automatically generated Delivery Status Notification\n\nTHIS IS A WARNING "
        "MESSAGE ONLY.\n\nYOU DO NOT NEED TO RESEND YOUR MESSAGE.\n\nDelivery to the following recipient has been "
        "delayed:\n\n     "
        "{r}\n\nMessage will be retried for 2 more day(s)\n",
    ),
    (
        "Delivery delayed:Your order",
        "Delivery is delayed to these recipients or groups:\n\n{r}\n\nSubject: Your order\n\nThis message "
        "hasn't been delivered yet. Delivery will continue to be attempted.\n",
    ),
    (
        "Zustellung verzögert: Ihre Bestellung",
        "Die Zustellung an folgende Empfänger ist verzögert:\n\n{r}\n\nDie Nachricht wurde noch "
        "nicht zugestellt. Es wird weiterhin versucht, sie zuzustellen.\n",
    ),
    (
        "配信遅延: ご注文",
        "以下の受信者への配信が遅延しています。\n\n{r}\n\n"
        "このメッセージはまだ配信されていません。配信は引き続き試行されます。\n",
    ),
    (
        "Remise différée : votre commande",
        "La remise à ces destinataires ou groupes est retardée :\n\n{r}\n\nCe message n'a pas encore "
        "été remis. Les tentatives de remise vont se poursuivre.\n",
    ),
)


def delays() -> Iterator[Sample]:
    for (subject, text), r in product(DELAYS, MORE):
        yield Sample(
            plain("Mail Delivery System <MAILER-DAEMON@mx.example.org>", subject, text.format(r=r)),
            "delay",
            (r,),
            ("connection", "undetermined", "throttled", "remote_error", "expired", "greylisted"),
        )


ABSENCES = (
    ("Out of Office: Your order", "I am out of the office until Monday and have limited access to email."),
    ("Automatic reply: Your order", "Thank you for your message. I'm on annual leave."),
    ("Automatische Antwort: Ihre Bestellung", "Ich bin bis Montag nicht im Büro."),
    ("Abwesenheitsnotiz", "Ich bin im Urlaub und ab dem 3. wieder erreichbar."),
    ("Réponse automatique : votre commande", "Je suis absent du bureau jusqu'à lundi."),
    ("Respuesta automática: su pedido", "Estoy fuera de la oficina hasta el lunes."),
    ("Risposta automatica: ordine", "Sono fuori ufficio fino a lunedì."),
    ("Resposta automática: pedido", "Estou ausente do escritório até segunda-feira."),
    ("Automatisch antwoord: uw bestelling", "Ik ben afwezig tot maandag."),
    ("Autosvar: order", "Jag är på semester till måndag."),
    ("Automatisk svar: ordre", "Jeg er ikke på kontoret før mandag."),
    ("Automaattinen vastaus: tilaus", "Olen poissa toimistosta maanantaihin asti."),
    ("Odpowiedź automatyczna: zamówienie", "Jestem poza biurem do poniedziałku."),
    ("Automatická odpověď: objednávka", "Do pondělí jsem mimo kancelář."),
    ("Otomatik Yanıt: sipariş", "Pazartesiye kadar ofis dışındayım."),
    ("Автоответ: ваш заказ", "Меня нет в офисе до понедельника."),
    ("自動返信: ご注文", "ただいま不在にしております。月曜日に戻ります。"),
    ("不在のお知らせ", "夏季休暇をいただいております。"),
    ("自动回复: 您的订单", "我目前不在办公室，将于周一回复。"),
    ("자동 회신: 주문", "현재 부재중입니다. 월요일에 답장드리겠습니다."),
)


def absences() -> Iterator[Sample]:
    marks = ("Auto-Submitted: auto-replied\n", "X-Autoreply: yes\nPrecedence: bulk\n", "")
    for (subject, text), who, mark in product(ABSENCES, RECIPIENTS[:2], marks):
        yield Sample(plain(f"Neko <{who}>", subject, text, mark), "auto_reply", (who,), ("auto_reply",))


OWN: dict[str, Callable[[], Iterator[Sample]]] = {
    each.__name__: each for each in (japanese, european, asian, exchange_languages, carriers, local, delays, absences)
}
