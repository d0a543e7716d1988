"""The words of the unsubscribe page in the languages it speaks. Never here: which of them a recipient reads."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """`question` and the outcomes name the sender as {sender}."""

    title: str
    question: str
    only_this: str
    everything: str
    stop: str
    stopped_this: str
    stopped_all: str
    undo: str
    resumed: str
    choose: str
    save: str
    saved: str
    invalid_title: str
    invalid: str


WORDS = {
    "en": Words(
        "Unsubscribe",
        "Stop mail from {sender} to {recipient}?",
        "Only this kind of mail",
        "All mail from this sender, passwords and receipts included",
        "Unsubscribe",
        "Done. You will not receive this kind of mail from {sender} any more.",
        "Done. You will not receive mail from {sender} any more.",
        "I changed my mind: send it again",
        "You will receive mail from {sender} again.",
        "Or choose what you receive from {sender}:",
        "Save",
        "Saved. You receive only what is chosen below.",
        "This link does not work",
        "It is incomplete or was changed on its way. Open it from the mail again, or answer that mail.",
    ),
    "ja": Words(
        "配信停止",
        "{sender} から {recipient} へのメールを停止しますか？",
        "この種類のメールだけ",
        "この送信者からのすべてのメール（パスワードや領収書を含む）",
        "配信を停止する",
        "完了しました。{sender} からのこの種類のメールは届かなくなります。",
        "完了しました。{sender} からのメールは届かなくなります。",
        "取り消して、もう一度受け取る",
        "{sender} からのメールが再び届きます。",
        "または、{sender} から受け取る内容を選んでください：",
        "保存する",
        "保存しました。下で選んだ内容だけが届きます。",
        "このリンクは使えません",
        "リンクが途中で切れたか、変更されています。メールからもう一度開くか、そのメールに返信してください。",
    ),
    "de": Words(
        "Abmelden",
        "Keine Mail mehr von {sender} an {recipient}?",
        "Nur diese Art von Mail",
        "Alle Mail dieses Absenders, auch Passwörter und Belege",
        "Abmelden",
        "Erledigt. Diese Art von Mail von {sender} kommt nicht mehr.",
        "Erledigt. Von {sender} kommt keine Mail mehr.",
        "Doch wieder schicken",
        "Mail von {sender} kommt wieder.",
        "Oder wählen Sie, was Sie von {sender} bekommen:",
        "Speichern",
        "Gespeichert. Sie bekommen nur, was unten gewählt ist.",
        "Dieser Link funktioniert nicht",
        "Er ist unvollständig oder wurde verändert. Öffnen Sie ihn erneut aus der Mail oder antworten Sie ihr.",
    ),
    "fr": Words(
        "Se désabonner",
        "Ne plus recevoir les messages de {sender} à {recipient} ?",
        "Seulement ce type de message",
        "Tous les messages de cet expéditeur, mots de passe et reçus compris",
        "Se désabonner",
        "C’est fait. Vous ne recevrez plus ce type de message de {sender}.",
        "C’est fait. Vous ne recevrez plus de messages de {sender}.",
        "J’ai changé d’avis",
        "Vous recevrez de nouveau les messages de {sender}.",
        "Ou choisissez ce que vous recevez de {sender} :",
        "Enregistrer",
        "C’est enregistré. Vous recevez seulement ce qui est choisi ci-dessous.",
        "Ce lien ne fonctionne pas",
        "Il est incomplet ou a été modifié. Ouvrez-le de nouveau depuis le message, ou répondez à ce message.",
    ),
    "es": Words(
        "Cancelar la suscripción",
        "¿Dejar de recibir correo de {sender} en {recipient}?",
        "Solo este tipo de correo",
        "Todo el correo de este remitente, incluidas contraseñas y facturas",
        "Cancelar la suscripción",
        "Hecho. Ya no recibirá este tipo de correo de {sender}.",
        "Hecho. Ya no recibirá correo de {sender}.",
        "He cambiado de opinión",
        "Volverá a recibir correo de {sender}.",
        "O elija qué recibe de {sender}:",
        "Guardar",
        "Guardado. Recibirá solo lo elegido abajo.",
        "Este enlace no funciona",
        "Está incompleto o ha cambiado por el camino. Ábralo otra vez desde el correo o responda a ese correo.",
    ),
}
