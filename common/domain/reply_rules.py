"""The built-in rules, in the order in which they are asked. A new quirk is one phrase with the words that taught it.

Who sent it and what it says come before who receives it: a block that is mistaken for a bad address
would suppress a good one. A full mailbox empties again, so its 5xx is retried too.
"""

from common.domain.reply_matching import Rule

LATE = ("rcpt", "data", "dot")


def words(text: str) -> tuple[str, ...]:
    """Phrases from a list with bars between them."""
    return tuple(" ".join(each.split()) for each in text.split("|"))


# What single providers say in their own words.
_PROVIDERS = (
    Rule("domino", "invalid_recipient", words("not listed in ... directory | not listed in public"), code_class=5),
    Rule(
        "google-inactive",
        "mailbox_disabled",
        words("""
            out of storage ... inactive | account ... is inactive
        """),
        code_class=5,
    ),
    Rule(
        "google-busy-recipient",
        "throttled",
        words("""
            receiving mail at a rate | receiving mail too quickly | user you are trying to contact is
            receiving
        """),
        kind="deferred",
    ),
    Rule("google-low-reputation", "reputation", words("very low reputation | low reputation of the sending")),
    Rule(
        "google-unsolicited-ip",
        "reputation",
        words("""
            unsolicited mail originating from your ip | unusual rate of unso
        """),
    ),
    Rule("google-unusual-rate", "throttled", words("unusual rate of"), code_class=4),
    Rule("google-likely-spam", "content", words("likely unsolicited mail | likely suspicious | likely spam")),
    Rule("google-daily-limit", "throttled", words("daily user sending | daily smtp relay | sending quota exceeded")),
    Rule(
        "google-malformed",
        "content",
        words("""
            message is malformed | not rfc 5322 compliant | not rfc 2822 compliant
        """),
    ),
    Rule(
        "google-group",
        "policy",
        words("""
            may not have permission to post | may not exist, or you may not have
        """),
        code_class=5,
    ),
    Rule("microsoft-auth", "sender_auth", words("required authentication level")),
    Rule("microsoft-blocked", "reputation", words("on our block list | banned sending ip | access denied, banned")),
    Rule(
        "microsoft-edge",
        "invalid_recipient",
        words("""
            recipient address rejected: access denied
        """),
        code_class=5,
        enhanced=("4.1",),
    ),
    Rule(
        "microsoft-not-found",
        "invalid_recipient",
        words("""
            recipnotfound | recipientnotfound | resolver.adr. | not found by smtp address lookup
        """),
        code_class=5,
    ),
    Rule(
        "microsoft-size",
        "too_large",
        words("""
            resolver.rst.sendsizelimit | resolver.rst.recipsizelimit | sizelimit
        """),
        code_class=5,
    ),
    Rule(
        "microsoft-not-allowed",
        "policy",
        words("""
            resolver.rst. | transport.rules.rejectmessage | not permitted to submit | only accepts mail
            from people in its organi | delivery not authorized, message refused
        """),
        code_class=5,
    ),
    Rule("microsoft-full", "mailbox_full", words("storedrv.deliver; mailbox full | quotaexceeded"), kind="deferred"),
    Rule("microsoft-loop", "remote_error", words("hop count exceeded | too many hops | mail loop | routing loop")),
    Rule(
        "microsoft-busy",
        "throttled",
        words("""
            server busy | please try again later from | exceeded the rate limit
        """),
        code_class=4,
    ),
    Rule(
        "microsoft-tenant",
        "throttled",
        words("""
            exceeded the maximum number of connections | sender thread limit
        """),
        code_class=4,
    ),
    Rule("yahoo-slow", "throttled", words("[ts01 | [ts02 | [ts03 | max message per connection"), code_class=4),
    Rule(
        "yahoo-complaints",
        "reputation",
        words("""
            [tss0 | [ipts0 | unexpected volume or user complaints | [bl2 | [bl0
        """),
    ),
    Rule(
        "yahoo-unknown",
        "invalid_recipient",
        words("""
            doesn't have a ... account | does not have a ... account
        """),
        code_class=5,
    ),
    Rule(
        "yahoo-disabled",
        "mailbox_disabled",
        words("""
            this mailbox is disabled | (554.30) | account is inactive (#
        """),
        code_class=5,
    ),
    Rule("yahoo-policy", "policy", words("not accepted for policy reasons")),
    Rule("apple-policy", "content", words("[cs01] | message rejected due to local policy"), code_class=5),
    Rule("apple-reputation", "reputation", words("[hm01] | [hm08] | proofpoint dynamic reputation")),
    Rule("amazon-rate", "throttled", words("maximum sending rate exceeded"), kind="deferred"),
    Rule("amazon-quota", "throttled", words("daily message quota exceeded"), kind="deferred"),
)

_MAILBOX = (
    Rule(
        "full",
        "mailbox_full",
        words("""
            mailbox full | mailbox is full | mail box is full | mail box full | inbox is full | inbox
            full | mailbox ... is full | mailbox has exceeded | mailbox ... exceeded | mailbox size
            limit exceeded | mailbox exceeds | mailbox would exceed | mailbox ... over quota | mailbox
            quota | mailfolder is full | mailfolder is over | mail folder is full | user is over | over
            quota | overquota | over the quota | over the allowed quota | over the maximum ... quota |
            over the storage | over disk quota | exceeded its quota | exceeded ... quota | exceeds ...
            quota | exceed ... quota | quota exceed | quota is full | quota full | quota violation |
            quota ... exceeded | disk quota | diskquota | storage quota | hard quota | out of quota |
            exceeded storage | exceeded ... storage | out of storage | storage is full | storage full |
            insufficient space | not enough space | not enough disk space | no space left for | no room
            in mailbox | too much mail data | too large for this mailbox | exceeded mailbox | exceeds
            mailbox | exceeds allowed message count | exceeded max message storage | maildir delivery
            failed | maildir over quota | mailbox_full | account is full | account is over | account ...
            over its | not able to receive ... full | size of the mailbox | user has too many messages |
            too many messages in | memory is full | is full
        """),
        kind="deferred",
    ),
    Rule("full-enhanced", "mailbox_full", enhanced=("2.2",), kind="deferred"),
    Rule(
        "disabled",
        "mailbox_disabled",
        words("""
            account disabled | account has been disabled | account is disabled | account is currently
            disabled | account ... is disabled | account suspended | account has been suspended |
            account is suspended | account ... suspended | account inactive | account is inactive |
            account is not active | account not active | account has been inactive | account is locked |
            account locked | account closed | account has been closed | account expired | account has
            expired | account deactivated | account has been deactivated | account is administratively |
            mailbox disabled | mailbox is disabled | mailbox has been disabled | mailbox is inactive |
            mailbox inactive | mailbox not active | mailbox is not active | mailbox suspended | mailbox
            is suspended | mailbox ... suspended | mailbox currently suspended | mailbox is blocked |
            mailbox blocked | mailbox frozen | mailbox is frozen | mailbox is locked | mailbox
            temporarily disabled | mailbox expired | user disabled | user is disabled | user account
            disabled | user suspended | user is suspended | user is inactive | user inactive | user is
            not active | user not active | user is locked | user has been disabled | user mailbox is
            inactive | recipient is suspended | recipient suspended | recipient ... inactive | recipient
            is not active | recipient address is inactive | address is inactive | address is disabled |
            address disabled | address has been disabled | inactive user | inactive account | inactive
            mailbox | inactive recipient | suspended account | disabled account | service terminated |
            unpaid | temporarily suspended by the user
        """),
        code_class=5,
    ),
)

# The sender, the network it comes from, and what the mail carries.
_SENDER_SIDE = (
    Rule(
        "greylist",
        "greylisted",
        words("""
            greylist | graylist | grey-list | gray-list | grey list | gray list | postgrey | first
            attempt of | first time we see | first time sender | unknown ... triplet | new triplet |
            not yet authorized to deliver | come back in | come back later | new sender, please retry
        """),
        code_class=4,
    ),
    Rule("greylist-in-place", "greylisted", words("greylisting in action | greylisted, please try"), kind="deferred"),
    Rule(
        "auth-missing",
        "sender_auth",
        words("""
            dmarc | dkim | domainkeys | spf | sender policy framework | unauthenticated email | message
            does not have authentication | sender id (pra) | reverse dns | rdns | ptr record | reverse
            lookup | reverse hostname | no ptr | does not resolve to a fully qualified | cannot find
            your hostname | client host rejected: cannot find | helo command rejected: host not found |
            missing a reverse
        """),
    ),
    Rule(
        "auth-needed",
        "policy",
        words("""
            authentication required | must be authenticated | smtp auth | must authentic
        """),
    ),
    Rule(
        "list",
        "reputation",
        words("""
            blacklist | black list | black-list | blocklist | block list | block-list | blocked using |
            denylist | deny list | blocked by ... rbl | listed at | listed in | listed on | found on one
            or more | spamhaus | spamcop | sorbs | barracudacentral | barracuda reputation | senderscore
            | dnsbl | dnswl | rbl | (rbl) | realtime block | real-time block | reputation | uceprotect |
            mail-abuse.org | temporarily deferred due to | permanently deferred | ip address is blocked
            | your ip is blocked | ip ... has been blocked | ip ... is blocked | your ip address ...
            blocked | your server is blocked | connection refused ... abuse | connections from this host
            | connections will not be accepted from | your host is not allowed | client host rejected |
            bad reputation | poor reputation | dynamic ip | dynamically assigned | dial-up | dialup |
            dynamic/residential | access from ip address | no access from mail server | refused by ...
            blacklist | you are not allowed to connect | banned | network is blocked | messages from ...
            blocked | blocked for abuse | blocked for spam | too much spam from | spam source | spam
            from your ip
        """),
    ),
    Rule(
        "rate",
        "throttled",
        words("""
            rate limit | rate-limit | ratelimit | too many connections | too many concurrent | too many
            simultaneous | too many sessions | too many messages | too many mails | too many emails |
            too many recipients | too many errors | too many commands | too many | too fast | too
            frequent | slow down | throttl | connection limit | exceeded ... connections | message rate
            | exceeded the limit | exceeds the limit of ... per | per hour | per minute | try again in
            ... minutes | unusual rate | resources temporarily
        """),
        code_class=4,
    ),
    Rule("rate-enhanced", "throttled", code_class=4, enhanced=("7.28", "4.5")),
    Rule(
        "rate-hard",
        "throttled",
        words("""
            rate limit | too many messages from | max sends per hour | max defers and failures | maximum
            emails per hour | exceeded the max emails per hour | too many emails per | sent too many |
            too many connections
        """),
        code_class=5,
    ),
    Rule(
        "virus",
        "content",
        words("""
            virus | malware | worm | trojan | phish | infected | executable file | attachment type |
            banned file
        """),
        code_class=5,
    ),
    Rule(
        "spam",
        "content",
        words("""
            spam | unsolicited | junk mail | bulk mail | bulk email | bulkmail | unwanted content |
            content filter | content reject | message content | its content | potential security issue |
            content of your message | prohibited content | objectionable | blocked content | due to
            content | suspicious | uribl | surbl | url in | mime header | bad header | header error |
            headers are not | malformed | badly formatted | not rfc compliant | rfc 5322 | rfc5322 |
            rfc2822 | invalid character | illegal attachment | blocked attachment | attachments are not
            | bare lf | bare linefeed | 8-bit characters | no message-id | message-id header | multiple
            from | date header | message looks like | message scored | classified as
        """),
        code_class=5,
    ),
    Rule(
        "sender",
        "sender_rejected",
        words("""
            sender address rejected | sender rejected | sender denied | sender blocked | sender domain |
            sender verify | sender address verif | sender ... is not allowed | sender is not allowed |
            sender not allowed | sender refused | invalid sender | bad sender | unable to verify sender
            | unverifiable sender | could not verify sender | sender callout | sender unknown | unknown
            sender | unresolvable sender | sender's domain | domain of sender | sender email address |
            the sender is | envelope sender | badmailfrom | badsender | from address ... rejected |
            return path | backscatter | access denied ... sender | null sender | mail from ... refused |
            mail from ... rejected | mail from ... denied | does not accept mail from | not accept mail
            from | don't accept mail from | you are not allowed to send | not authorized to send | your
            domain is not | sending domain
        """),
        code_class=5,
    ),
    Rule("sender-at-mail", "sender_rejected", words("sender"), code_class=5, stages=("mail",)),
)

_SIZE_AND_TRANSPORT = (
    Rule(
        "size",
        "too_large",
        words("""
            too large | too big | too long | size exceeds | exceeds size | exceeds fixed | exceeds
            maximum | exceeds the maximum | exceeds max | exceeds limit | exceeds the size | exceeded
            maximum | exceeded ... size | exceeds ... size limit | exceed ... maximum ... size | size
            limit | message size | maximum size | message length exceeds | larger than the maximum |
            larger than the current | bigger than | mailmessage too
        """),
        code_class=5,
    ),
    Rule(
        "relay",
        "relaying_denied",
        words("""
            relay | not a local domain | not in my domain | isn't in my list of allowed rcpthosts |
            isn't in my control/locals | rcpthosts | not in rcpthosts | we do not serve | not hosted
            here | domain not found here | we don't handle mail for | no such domain here | domain isn't
            allowed to be | not our customer | non-local recipient | is not local | not served here |
            domain is not hosted | domain not allowed | not permitted to relay
        """),
        code_class=5,
        stages=LATE,
    ),
    Rule("loop", "remote_error", words("mail forwarding loop | loops back to | too many received | loop detected")),
    Rule(
        "stale",
        "expired",
        words("""
            retry timeout exceeded | retry time not reached | message expired | message has expired |
            queue too long | in the queue too long | been in the queue | delivery time expired |
            delivery expired | could not be delivered for ... days | could not be delivered for ...
            hours | not been able to ... after | retention period | delivery timed out | unable to
            deliver ... days | cannot be delivered ... days | undelivered for | queue lifetime | maximum
            queue
        """),
    ),
    Rule("stale-enhanced", "expired", enhanced=("4.7",)),
)

# The address and its domain.
_RECIPIENT = (
    Rule(
        "domain-unknown",
        "bad_domain",
        words("""
            host unknown | host not found | unknown host | no such host | unknown domain | domain
            unknown | domain not found | no such domain | invalid domain | domain does not exist |
            domain doesn't exist | domain ... does not exist | domain name not found | invalid recipient
            domain | bad recipient domain | recipient domain not | unrouteable mail domain |
            unrouteable domain | unrouteable address | unroutable address |
            name or service not known | nxdomain | non-existent domain | non-existent host | couldn't
            find any host named | couldn't find any host | couldn't find ... mail exchanger | cannot
            find a mail exchanger | unable to find the recipient domain | bad destination mailbox...
            host | bad destination system | bad destination host | does not accept mail (nullmx) | null
            mx | nullmx | all relevant mx records point to non-existent | illegal host/domain name |
            mail exchanger ... non-existent | host or domain name not found | does not receive mail |
            does not accept mail | domain is invalid | invalid host | domain must resolve | the domain
            you have specified doesn't exist
        """),
        code_class=5,
    ),
    Rule(
        "moved",
        "invalid_recipient",
        words("""
            has moved | has been replaced by | no longer valid | user has left | has left the | please
            use new | address has changed | mailbox moved | no longer works here | no longer on server |
            no longer available | no longer in use | no longer with | no longer exists | no longer
            active
        """),
        code_class=5,
    ),
    Rule(
        "user-unknown",
        "invalid_recipient",
        words("""
            user unknown | unknown user | unknown local user | unknown local part | unknown local-part |
            unknown recipient | unknown address | unknown account | unknown mailbox | unknown email |
            unknown e-mail | unknown or illegal alias | unknown virtual | user is unknown | users are
            unknown | user(s) are unknown | recipient unknown | recipient is unknown | recipient ...
            unknown | address unknown | account unknown | mailbox unknown | no such user | no such
            recipient | no such account | no such address | no such mailbox | no such local | no such
            person | no such email | no such e-mail | no such addressee | no such subscriber | no such
            virtual | no mailbox here | no mailbox by that name | no mailbox found | no mailbox ... here
            | no user by that name | no account by that name | no matches to nameserver query | no user
            found | no local mailbox | no valid recipient | there is no user | there is no one at this
            address | there is no such | there's no such | there is no mailbox | there is no account |
            not a valid mailbox | n't found at | was not found at | name is not recognized | not a valid
            user | not a valid recipient | not a valid address | not a valid email | not a known user |
            is not known | not known at this | isn't a user | is not a user | user not found | user
            doesn't exist | user does not exist | user ... does not exist | user ... doesn't exist |
            user ... not exist | user not exist | user not known | user ... not known | user ... not
            found | user not here | user not local | user not listed | user invalid | user rejected |
            user does not have an account | user does not have ... mailbox | mailbox not found | mailbox
            does not exist | mailbox doesn't exist | mailbox not exist | mailbox unavailable or access
            denied | mailbox invalid | mailbox ... does not exist | mailbox not available | recipient
            not found | recipient does not exist | recipient doesn't exist | recipient not exist |
            recipient no longer | recipient was not found | recipient ... not found | recipient ... does
            not exist | recipient address rejected: user | recipient address rejected: unknown |
            recipient address rejected: undeliverable address | recipient address rejected: mailbox not
            found | recipient address rejected: invalid | recipient not known | recipient not ok |
            recipient is not | recipient is not exist | recipient invalid | invalid recipient | invalid
            mailbox | invalid user | invalid address | invalid local part | invalid addressee | invalid
            account | incorrect address | bad recipient | bad destination mailbox | bad address |
            account does not exist | account doesn't exist | account not found | account is unavailable
            | account ... does not exist | account ... not exist | account that you tried to reach does
            not exist | address does not exist | address doesn't exist | address not found | address not
            exist | address not recognized | address is unknown | address is invalid | address is not
            valid | address invalid | address unavailable | address no longer | address ... does not
            exist | address ... not found | email address not found | email address could not be found |
            e-mail address could not be found | e-mail address you entered couldn't be found | email
            address you entered couldn't be found | does not exist here | does not exist on this | does
            not exist at | does not exist | doesn't exist | doesn't have a mailbox | undeliverable
            address | not our user | not listed in ... directory | not listed in domino | not listed in
            public | not found in directory | name not found | cannot find user | can't find user |
            can't be found | cannot be found | could not be found | couldn't be found | unable to find
            user | unable to find recipient | unable to chdir to maildir | can't create user output file
            | didn't match any | vrecipient ... unknown | vdeliver: invalid or unknown | delivery failed
            ... unknown | destination addresses were unknown | destination mailbox address unknown |
            this address no longer accepts mail | this address does not receive mail | not accepting
            mail ... address | sorry, no mailbox | sorry, that recipient | not have a ... account |
            nobody home | unavailable mailbox | deactivated mailbox | disabled recipient | is not a
            registered | unknown address error | no account | no mailbox | no recipient
        """),
        code_class=5,
        stages=LATE,
    ),
    Rule("unknown-code", "invalid_recipient", code_class=5, enhanced=("1.1", "1.3", "1.6"), stages=LATE),
    Rule("domain-code", "bad_domain", code_class=5, enhanced=("1.2", "1.10"), stages=LATE),
    Rule("disabled-code", "mailbox_disabled", code_class=5, enhanced=("2.1",), stages=LATE),
)

# Rules of the house and faults of machines: only what nothing above explains.
_OTHERS = (
    Rule(
        "unavailable",
        "invalid_recipient",
        words("mailbox unavailable | recipient unavailable"),
        code_class=5,
        enhanced=("", "0.0", "1.1", "2.1", "5.0"),
        stages=("rcpt",),
    ),
    Rule(
        "filtered",
        "recipient_filtered",
        words("""
            recipient refuses to accept | recipient only accepts | recipient rejected | recipient
            refused | refused by the recipient | refused by recipient | rejected by recipient | rejected
            by the recipient | user reject | users reject | user(s) reject | receiver's filter |
            filtered by | rejected by filter | due to extended inbox |
            not a member of ... list | because the recipient is not accepting mail | is not accepting
            mail | not accepting messages | not accepting any mail | is not accepting any | is not
            receiving mail | we do not accept mail from this address | address rejected | this account
            is protected by | this address is ... restricted | recipient prefers not | due to user's
            filter
        """),
        code_class=5,
    ),
    Rule(
        "rules",
        "policy",
        words("""
            policy | administrative prohibition | administratively prohibited | administratively denied
            | security | not authorized | not authorised | unauthorized | permission denied | not
            permitted | prohibited | forbidden | access denied | access restriction | refused by local |
            rejected for | rejected by | message refused | message rejected | mail rejected | message
            denied | transaction failed: blocked | blocked | rejecting | command rejected
        """),
        code_class=5,
    ),
    Rule(
        "tls",
        "tls",
        words("""
            starttls | tls not available | tls handshake | tls is required | tls required | encryption
            required | must issue a starttls | certificate | no shared cipher | ssl
        """),
    ),
    Rule(
        "resolve",
        "dns",
        words("""
            name service error | dns error | dns fail | dns lookup | dns query | dns timeout | no mx |
            mx record | temporary lookup failure | lookup failed | domain lookup | nameserver
        """),
    ),
    Rule(
        "reach",
        "connection",
        words("""
            connection refused | connection timed out | connection timeout | connection reset |
            connection lost | connection dropped | connection closed | lost connection | conversation
            with ... timed out | wasn't able to establish | establish an smtp connection | could not
            connect | couldn't connect | unable to connect | unable to reach | cannot connect | can't
            connect | no route to host | network is unreachable | network unreachable | host unreachable
            | host is unreachable | host down | connect to ... timed out | did not respond | not
            responding | no answer from | remote host is down | operation timed out | session timeout |
            timed out while | timeout | connection failed | deferred: connection
        """),
    ),
    Rule(
        "their-fault",
        "remote_error",
        words("""
            insufficient system | insufficient disk | insufficient resource | out of memory | disk full
            | no space left on device | system error | server error | internal error | internal server |
            local error | local problem | local configuration error | configuration error | temporary
            failure | temporarily unavailable | temporary problem | temporary error | try again later |
            try later | service unavailable | service not available | service currently unavailable |
            not available right now | queue file write error | can't open | cannot open | i/o error |
            input/output error | command died | exited with | exit status | unknown mailer error |
            mailer error | pipe | procmail | unable to run | can't write | cannot write | transaction
            failed | load average | over load | overload | maintenance | deadlock | lock file
        """),
    ),
    Rule(
        "syntax",
        "protocol",
        words("""
            syntax error | unrecognized command | command not recognized | bad sequence | command
            unrecognized | bad command | not implemented | out of sequence | invalid command | protocol
            error | parameter not | helo | ehlo
        """),
    ),
)
RULES: tuple[Rule, ...] = (
    *_PROVIDERS,
    *_MAILBOX[:2],
    *_SENDER_SIDE,
    *_MAILBOX[2:],
    *_SIZE_AND_TRANSPORT,
    *_RECIPIENT,
    *_OTHERS,
)
