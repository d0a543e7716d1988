"""How mail systems word the causes of a failure in languages other than English, as rules of classification.

Only reports that came back use them: a server's reply is English. Never here: English, or who reports.
"""

from common.domain.reply_matching import Rule
from common.domain.reply_rules import words

FOREIGN: tuple[Rule, ...] = (
    Rule(
        "foreign-mailbox-full",
        "mailbox_full",
        words("""
            いっぱい | 容量を超 | 容量が超 | 容量オーバー | 容量不足 | 容量制限を超 | 満杯 |
            一杯です | 上限に達し | 保存容量 | ボックスの容量 | 空き容量 | 邮箱已满 | 邮箱空间不足 |
            空间不足 | 信箱已滿 | 信箱已满 | 容量已满 | 容量不足 | 超過配額 | 가득 | 용량을 초과 |
            용량 초과 | 용량이 부족 | postfach ... voll | mailbox ist voll | mailbox voll |
            speicherplatz | kontingent | boîte ... pleine | boite ... pleine | quota ... dépass |
            espace de stockage | buzón ... lleno | buzon ... lleno | casilla ... llen |
            cuota ... exced | casella ... piena | casella ... pien | spazio ... esaurit |
            caixa ... cheia | caixa ... lotada | quota ... excedid | postvak ... vol |
            mailbox ... vol | skrzynka ... pełna | skrzynka ... przepełn | brevlådan ... full |
            postkassen ... full | postkassen ... fuld | postilaatikko ... täynnä |
            posta kutusu ... dolu | schránka ... plná | ящик ... переполн | ящик ... заполнен |
            переполнен | превышен ... квот | превышена квота | postafiók ... megtelt |
            γραμματοκιβώτιο ... πλήρες | ممتلئ | מלאה
        """),
    ),
    Rule(
        "foreign-disabled",
        "mailbox_disabled",
        words("""
            利用停止 | 停止されて | 停止中 | 休止 | 無効になって | 無効化 | 凍結 | 解約 | 已停用 |
            已禁用 | 被禁用 | 已冻结 | 已凍結 | 已注销 | 비활성 | 사용 중지 | 휴면 |
            konto ... deaktiviert | postfach ... deaktiviert | konto ... gesperrt |
            compte ... désactivé | compte ... suspendu | cuenta ... desactivad |
            cuenta ... suspendid | cuenta ... deshabilitad | account ... disattivat |
            casella ... disattivat | account ... sospes | conta ... desativad | conta ... suspens |
            account ... uitgeschakeld | konto ... zablokowan | konto ... nieaktywn |
            kontot ... inaktiver | ящик ... заблокирован | ящик ... отключ |
            учетная запись ... отключ | учётная запись ... отключ | hesap ... devre dışı
        """),
    ),
    Rule(
        "foreign-filtered",
        "recipient_filtered",
        words("""
            受信者の設定により | 受信拒否設定 | 受信拒否 | 指定受信 | ドメイン指定 | 受信を拒否 |
            受信が拒否 | 受信者 ... 拒否 | 迷惑メール ... 設定により | 收件人 ... 拒收 |
            收件人 ... 黑名单 | 拒收 | 수신 거부 | 수신거부 | empfänger ... blockiert |
            empfänger ... lehnt ... ab | destinataire ... bloqué | destinatario ... bloque |
            destinatario ... bloccat | destinatário ... bloque
        """),
    ),
    Rule(
        "foreign-too-large",
        "too_large",
        words("""
            サイズが大きすぎ | サイズが制限 | サイズ制限 | サイズの上限 | 最大サイズ | サイズを超 |
            邮件过大 | 邮件太大 | 超过 ... 大小 | 大小超过 | 郵件過大 | 크기가 ... 초과 |
            크기 제한 | nachricht ... zu groß | nachricht ... zu gross | überschreitet ... größe |
            message ... trop volumineux | taille ... dépass | taille maximale | demasiado grande |
            tamaño ... exced | tamaño máximo | troppo grande | dimensioni ... super | muito grande |
            tamanho ... exced | tamanho máximo | te groot | zbyt duż | för stort | слишком больш |
            превышает ... размер | çok büyük
        """),
    ),
    Rule(
        "foreign-spam",
        "content",
        words("""
            迷惑メールと判定 | スパムと判定 | ウイルス | ウィルス | 垃圾邮件 | 垃圾郵件 | 病毒 |
            스팸 | 바이러스 | als spam | virus gefunden | considéré comme ... spam |
            identifié comme | considerado spam | como spam | come spam | признано спамом |
            как спам | спам | вирус
        """),
    ),
    Rule(
        "foreign-no-domain",
        "bad_domain",
        words("""
            ドメインが見つか | ドメインが存在 | ドメイン名が | ドメインは存在 | 存在しないドメイン |
            ホストが見つか | 域名不存在 | 找不到域 | 域名 ... 不存在 | 도메인을 찾을 |
            도메인이 존재 | domäne ... nicht gefunden | domain ... nicht gefunden |
            domaine ... introuvable | domaine ... n'existe pas | dominio ... no existe |
            dominio ... no se encontr | dominio ... non ... trovat | dominio ... inesistente |
            domínio ... não ... encontrad | домен ... не найден | домен ... не существует
        """),
    ),
    Rule(
        "foreign-unknown",
        "invalid_recipient",
        words("""
            存在しません | 存在しない | 見つかりません | 見つかりませ | 宛先不明 | あて先不明 |
            宛先が間違 | ユーザーが不明 | 不明なユーザ | 登録されていません |
            該当する ... ありません | アドレスが正しく | アドレスが間違 | アドレス不明 |
            使われており | 有効なメールアドレス ... ありません | 地址不存在 | 用户不存在 |
            帐号不存在 | 账号不存在 | 帳號不存在 | 收件人不存在 | 不存在 | 找不到您 | 找不到收件 |
            找不到 ... 地址 | 未找到 | 无此用户 | 無此使用者 | 無此用戶 | 查無此人 | 찾을 수 없 |
            존재하지 않 | 없는 사용자 | 없는 메일 | adresse ... nicht gefunden |
            adresse ... existiert nicht | empfänger ... unbekannt | unbekannter empfänger |
            unbekannter benutzer | benutzer ... unbekannt | empfänger ... nicht gefunden |
            empfänger existiert nicht | adressat unbekannt | adresse ... introuvable |
            n'a pas été trouvé | adresse ... n'existe pas | utilisateur inconnu |
            destinataire inconnu | destinataire ... inconnu | utilisateur ... inconnu |
            no se encontró | no se ha encontrado | dirección ... no existe | usuario desconocido |
            usuario ... no existe | destinatario desconocido | no existe | non è stato trovato |
            non è stata trovata | utente sconosciuto | utente inesistente |
            indirizzo ... inesistente | non esiste | destinatario ... sconosciuto |
            não foi encontrad | não encontrad | usuário desconhecido | utilizador desconhecido |
            não existe | usuário inexistente | niet gevonden | bestaat niet | gebruiker onbekend |
            onbekende gebruiker | nie znaleziono | nie istnieje | nieznany użytkownik |
            hittades inte | finns inte | okänd användare | blev ikke fundet | ikke fundet |
            finnes ikke | ble ikke funnet | ukendt bruger | ukjent bruker | ei löydy | ei löytynyt |
            tuntematon | bulunamadı | mevcut değil | nebyla nalezena | neexistuje | nem található |
            nem létezik | не найден | не существует | неизвестный пользователь |
            пользователь ... не найден | нет такого | δεν βρέθηκε | غير موجود | לא נמצא
        """),
    ),
)
