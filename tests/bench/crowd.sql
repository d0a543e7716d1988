-- Three weeks of mail in tables. Each part is one step of crowd.py; :rows, :people and :accounts are filled in there.

--- planning who gets what and when
CREATE UNLOGGED TABLE crowd AS
SELECT n, h, (:accounts::uuid[])[CASE WHEN h % 100 < 70 THEN 1 WHEN h % 100 < 90 THEN 2 WHEN h % 100 < 98 THEN 3
                                         ELSE 4 END] AS account_id, at, uuidv7(at - now()) AS id, recipient, domain,
       CASE WHEN n > :rows * 0.98 AND h2 % 10 < 4 THEN (ARRAY['deferred', 'queued', 'accepted', 'scheduled'])[1 + h2 % 4]
            WHEN h2 % 1000 < 20 THEN 'bounced' WHEN h2 % 1000 < 28 THEN 'suppressed' WHEN h2 % 1000 < 31 THEN 'expired'
            WHEN h2 % 1000 < 34 THEN 'failed' WHEN h2 % 1000 < 36 THEN 'cancelled' WHEN h2 % 1000 < 38 THEN 'complained'
            ELSE 'delivered' END AS status,
       (ARRAY[0, 1, 0, 1, 2])[1 + h % 5] AS tier, h2 % 100 < 6 AS deferred, 0.2 + (h2 % 97) * (h2 % 13) * 0.01 AS took, h3
  FROM (SELECT n, h, h2, h3, now() - make_interval(secs => 86400.0 * 21 * (1 - u) - 20000 * sin(u * 21 * 2 * pi()) / (2 * pi())
                                              * (1 - u)) AS at,
               'user' || (n::bigint * 7919 % :people) AS recipient,
               (ARRAY['gmail.com', 'gmail.com', 'gmail.com', 'yahoo.co.jp', 'outlook.com', 'docomo.ne.jp', 'icloud.com',
                      'example.net', 'example.org', 'company' || h3 % 400 || '.example'])[1 + h3 % 10] AS domain
          FROM (SELECT n, n::float / :rows AS u, abs(hashint4(n)) AS h, abs(hashint4(n + 500000000)) AS h2,
                       abs(hashint4((n::bigint * 7919 % :people)::int)) AS h3
                  FROM generate_series(1, :rows) n) numbers) rhythm

--- messages
INSERT INTO messages (id, account_id, environment, status, tier, created_at, updated_at, next_attempt_at, scheduled_time,
                      accepted_at, delivered_at, ended_at, recipient, recipient_key, recipient_domain, attempt_no,
                      event_seq, source_id, path, stream, delivery)
SELECT c.id, c.account_id, 'live', c.status, c.tier, c.at, c.at,
       CASE c.status WHEN 'deferred' THEN now() + make_interval(secs => c.h % 3600)
                     WHEN 'scheduled' THEN now() + make_interval(secs => c.h % 100000) ELSE c.at END,
       CASE c.status WHEN 'scheduled' THEN now() + make_interval(secs => c.h % 100000) END,
       CASE WHEN c.status NOT IN ('queued', 'scheduled', 'suppressed', 'cancelled') THEN c.at END,
       CASE WHEN c.status IN ('delivered', 'complained') THEN c.at + make_interval(secs => c.took) END,
       CASE WHEN c.status NOT IN ('deferred', 'queued', 'accepted', 'scheduled') THEN c.at + make_interval(secs => c.took) END,
       c.recipient || '@' || c.domain, c.recipient || '@' || c.domain, c.domain,
       CASE WHEN c.status IN ('delivered', 'complained', 'bounced', 'deferred') THEN 1 + (c.deferred AND c.status <> 'deferred')::int ELSE 0 END,
       CASE c.status WHEN 'delivered' THEN 3 + c.deferred::int WHEN 'bounced' THEN 3 + c.deferred::int
                     WHEN 'complained' THEN 4 + c.deferred::int WHEN 'deferred' THEN 3 WHEN 'expired' THEN 3 WHEN 'failed' THEN 3
                     WHEN 'accepted' THEN 2 WHEN 'suppressed' THEN 2 WHEN 'cancelled' THEN 2 ELSE 1 END,
       a.default_source_id, 'sink/' || c.domain, CASE WHEN c.tier = 2 THEN 'newsletter' END,
       CASE WHEN c.status IN ('delivered', 'complained') THEN jsonb_build_object('reply', '2.0.0 Ok') END
  FROM crowd c JOIN accounts a ON a.id = c.account_id ORDER BY c.n

--- contents
INSERT INTO message_contents (message_id, sender, subject, text, template_slug, template_id, template_version, template_data,
                              tags, metadata, key_id, channel, request_id)
SELECT c.id, '{"email": "hello@example.com"}',
       (ARRAY['Your verification code', 'Invoice ' || c.n, 'Reset your password', 'Welcome to the shop',
              '「春のお知らせ」' || c.n % 1000 || '号'])[1 + c.h % 5],
       CASE WHEN t.id IS NULL THEN repeat('All that is said in this mail. ', 10) END, t.slug, t.id, t.published_version,
       CASE WHEN t.id IS NOT NULL THEN '{"code": "123456"}'::jsonb END,
       ARRAY[(ARRAY['login', 'invoice', 'password', 'welcome', 'news-' || to_char(c.at, 'IW')])[1 + c.h % 5],
             (ARRAY['eu', 'eu', 'us', 'jp'])[1 + c.h3 % 4]]
         || CASE WHEN c.n % 20000 = 7 THEN '{rare}'::text[] ELSE '{}' END,
       jsonb_build_object('order', c.n), c.account_id, CASE WHEN c.h % 7 = 0 THEN 'smtp' END, 'req_crowd'
  FROM crowd c LEFT JOIN templates t ON t.account_id = c.account_id
       AND t.slug = (ARRAY['otp-code', 'invoice', 'password-reset', 'welcome'])[1 + c.h % 5]

--- what happened to each
CREATE UNLOGGED TABLE crowd_events AS
SELECT c.*, e.seq, e.type, e.at AS happened, e.number, e.state, e.code,
       CASE e.state WHEN 'delivered' THEN '2.0.0 Ok: queued as ' || upper(left(md5(c.n::text), 11))
                    WHEN 'deferred' THEN '4.7.1 Greylisted, try again in ' || 60 + c.h % 600 || ' seconds'
                    WHEN 'bounced' THEN '5.1.1 <' || c.recipient || '@' || c.domain || '>: no such user here' END AS reply
  FROM crowd c CROSS JOIN LATERAL (
    SELECT 1 AS seq, 'message.queued' AS type, c.at, NULL::int AS number, NULL::text AS state, NULL::int AS code
    UNION ALL SELECT 2, 'message.accepted', c.at, NULL, NULL, NULL
     WHERE c.status NOT IN ('queued', 'scheduled', 'suppressed', 'cancelled')
    UNION ALL SELECT 3, 'message.deferred', c.at + interval '0.1 s', 1, 'deferred', 451
     WHERE c.status = 'deferred' OR c.deferred AND c.status IN ('delivered', 'bounced', 'complained')
    UNION ALL SELECT 3 + c.deferred::int, 'message.' || CASE c.status WHEN 'complained' THEN 'delivered' ELSE c.status END,
           c.at + make_interval(secs => c.took), 1 + c.deferred::int,
           CASE c.status WHEN 'bounced' THEN 'bounced' ELSE 'delivered' END, CASE c.status WHEN 'bounced' THEN 550 ELSE 250 END
     WHERE c.status IN ('delivered', 'bounced', 'complained')
    UNION ALL SELECT 4 + c.deferred::int, 'message.complained', c.at + interval '1 hour', NULL, NULL, NULL WHERE c.status = 'complained'
    UNION ALL SELECT 2, 'message.' || c.status, c.at + make_interval(secs => c.took), NULL, NULL, NULL
     WHERE c.status IN ('suppressed', 'cancelled')
    UNION ALL SELECT 3, 'message.' || c.status, c.at + make_interval(secs => c.took), NULL, NULL, NULL
     WHERE c.status IN ('expired', 'failed')) e

--- events
INSERT INTO events (id, message_id, account_id, environment, seq, type, timestamp, data)
SELECT uuidv7(happened - now()), id, account_id, 'live', seq, type, happened,
       CASE WHEN state IS NOT NULL THEN jsonb_build_object('attempt', number, 'attempts', 6, 'source', 'sink',
         'provider', CASE domain WHEN 'gmail.com' THEN 'google' WHEN 'outlook.com' THEN 'microsoft' END,
         'category', CASE state WHEN 'deferred' THEN 'greylisted' WHEN 'bounced' THEN 'invalid_recipient' END,
         'bounce', CASE state WHEN 'bounced' THEN '{"type": "hard", "reason": "invalid_recipient"}'::jsonb END,
         'smtp', jsonb_build_object('code', code, 'reply', reply))
       WHEN type = 'message.suppressed' THEN '{"reason": "hard_bounce"}' WHEN type = 'message.failed' THEN '{"reason": "no_source"}'
       WHEN type = 'message.accepted' THEN '{"source": "sink", "path": "sink/mx"}' ELSE '{}' END
  FROM crowd_events ORDER BY happened

--- attempts
INSERT INTO attempts (message_id, epoch, number, source_id, state, started_at, ended_at, stage, code, reply, mx, ip)
SELECT e.id, e.number, e.number, a.default_source_id, e.state, e.happened - interval '0.1 s', e.happened, 'dot', e.code, e.reply,
       'mx.' || e.domain, '192.0.2.1' FROM crowd_events e JOIN accounts a ON a.id = e.account_id WHERE e.state IS NOT NULL

--- dead letters, suppressions, the inbox
INSERT INTO dead_letters (message_id, account_id, environment, cause, detail, created_at, recipient_domain)
SELECT id, account_id, 'live', CASE status WHEN 'bounced' THEN 'invalid_recipient' WHEN 'expired' THEN 'ttl' ELSE 'no_source' END,
       CASE status WHEN 'bounced' THEN '550 no such user here' END, at, domain FROM crowd WHERE status IN ('bounced', 'expired', 'failed');
INSERT INTO suppressions (id, account_id, environment, recipient, recipient_key, reason, created_at)
SELECT uuidv7(at - now()), account_id, 'live', recipient || '@' || domain, recipient || '@' || domain, 'hard_bounce', at
  FROM crowd WHERE status IN ('bounced', 'complained') ON CONFLICT DO NOTHING;
INSERT INTO mailbox_messages (id, sender, recipient, recipient_key, subject, received_at, size, source)
SELECT uuidv7(at - now()), 'hello@example.com', recipient || '@' || domain, recipient || '@' || domain, 'Your code', at, 40,
       convert_to(E'Subject: Your code\r\n\r\nIt is 123456.\r\n', 'UTF8')
  FROM crowd ORDER BY n DESC LIMIT 10000;
DROP TABLE crowd, crowd_events;
