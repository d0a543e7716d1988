"""The Lua of pacing.py. KEYS come in pairs (state, leases) for each level; the limits of each level are the last ARGV.

State: `n` the connections that are believed in, `ceiling` and `ceiling_until` what a server has shown, `tat` when
the next mail is due by the rate (GCRA), `connect_tat` the same of the next connection, `queue` until when parked
mail has turns, `parked` and `drained` of the widest level how often mail was parked, and up to which of these times
none was left, `lost` how many times over everybody who was let try found nobody, `losses` how many did in a row,
`rest_until` and `fails` what follows that, or a server that asks for less. Times are milliseconds of Redis's own
clock.
"""

# A rate that has been raised since must not wait out the old one: `tat` is believed only as far as the rate allows.
# Only what happens while a script runs can be atomic, and only its own clock is shared.
_BEGIN = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + clock[2] / 1000
local levels = #KEYS / 2
local function num(key, name) return tonumber(redis.call('HGET', key, name) or '') end
local function setting(level, place) return tonumber(ARGV[#ARGV - (levels - level + 1) * 5 + place]) end
local function believed(level)
  local state, most = KEYS[level * 2 - 1], setting(level, 1)
  local known = redis.call('HMGET', state, 'n', 'ceiling', 'ceiling_until')
  local n = tonumber(known[1] or '') or setting(level, 3)
  if known[2] and tonumber(known[3]) > now then most = math.min(most, tonumber(known[2]) + 0.99) end
  return math.min(n, most), most
end
local function succeed(level, used, good)
  local n, most = believed(level)
  if good > 0 and used >= math.floor(n) - 1 then n = math.min(most, n + good / n) end
  return n
end
local function step_of(level) return 1000 / setting(level, 2) end
local function slack_of(step) return step <= 1000 and 250 or math.min(2000, step / 2) end
local function tat_of(level)
  local step = step_of(level)
  return math.min(num(KEYS[level * 2 - 1], 'tat') or 0, now + slack_of(step) + 12 * step)
end
local function connecting(level)
  local most = setting(level, 4)
  if most <= 0 then return nil end
  local burst = math.max(1, math.floor(most / 10))
  local step = 60000 / math.max(1, most - burst)
  local due = num(KEYS[level * 2 - 1], 'connect_tat') or 0
  return step, (burst - 1) * step, math.max(now, math.min(due, now + 2 * burst * step + 60000))
end
local function connected(level, count)
  local step, _, due = connecting(level)
  if step and count > 0 then
    redis.call('HSET', KEYS[level * 2 - 1], 'connect_tat', string.format('%.3f', due + count * step))
  end
end
local function connect_wait(level, tier)
  local apart, ahead, due = connecting(level)
  if apart and tier == 0 then ahead = 2 * ahead + apart end
  return apart and math.max(0, math.ceil(due - ahead - now)) or 0
end
local function able_of(level, tier)
  local step = step_of(level)
  local slack = slack_of(step) + (tier == 0 and 10 * step or 0)
  local tat = math.max(tat_of(level), now)
  return math.floor((now + slack - tat) / step) + 1, math.ceil(tat - slack - now)
end
local function marks()
  local known = redis.call('HMGET', KEYS[levels * 2 - 1], 'parked', 'drained')
  local parked = tonumber(known[1] or '') or 0
  return parked, parked > (tonumber(known[2] or '') or 0)
end
local KEPT = 1800
local COHORTS = 3
"""

TAKE = (
    _BEGIN
    + """
local lease, tier, wanted, woken, ttl = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1', tonumber(ARGV[5])
local good, opened = tonumber(ARGV[6]), tonumber(ARGV[7])
local count, room = wanted, 1
local parked, queued = marks()
for level = 1, levels do connected(level, opened) end
local fresh = {}
for level = 1, levels do
  local state, leases = KEYS[level * 2 - 1], KEYS[level * 2]
  redis.call('ZREMRANGEBYSCORE', leases, '-inf', now)
  local held = lease ~= '' and redis.call('ZSCORE', leases, lease)
  fresh[level] = not held
  local queue = num(state, 'queue')
  if not held then
    local rest = num(state, 'rest_until')
    if rest and rest > now then return {0, 'rest', level, 0, '0', tostring(math.ceil(rest - now))} end
    if tier > 0 and not woken and queue and queue > now then
      return {0, 'queue', level, 0, '0', tostring(queue - now)}
    end
    local used, most = redis.call('ZCARD', leases), math.floor(believed(level))
    local reserve = (tier > 0 and most >= 2) and 1 or 0
    if used >= most - reserve then
      local first = redis.call('ZRANGE', leases, 0, 0, 'WITHSCORES')
      local wait = first[2] and tonumber(first[2]) - now or 1000
      return {0, 'connections', level, used, tostring(most), tostring(wait)}
    end
  end
  local late = lease ~= '' and connect_wait(level, tier) or 0
  if late > 0 then return {0, 'connects', level, 0, tostring(setting(level, 4)), tostring(late)} end
  local able, wait = able_of(level, tier)
  if able < 1 then return {0, 'rate', level, 0, tostring(setting(level, 2)), tostring(wait)} end
  count = math.min(count, able)
end
if lease == '' then return {0, '', 0, 0, '0', '0'} end
for level = 1, levels do
  local state, leases = KEYS[level * 2 - 1], KEYS[level * 2]
  redis.call('ZADD', leases, now + ttl, lease)
  if fresh[level] then connected(level, 1) end
  redis.call('PEXPIRE', leases, ttl * 2)
  local tat = math.max(tat_of(level), now)
  redis.call('HSET', state, 'tat', string.format('%.3f', tat + count * step_of(level)))
  if good > 0 then
    local n = succeed(level, redis.call('ZCARD', leases), good)
    redis.call('HSET', state, 'n', string.format('%.4f', n))
  end
  if redis.call('ZCARD', leases) + 1 >= math.floor(believed(level)) then room = 0 end
  redis.call('EXPIRE', state, KEPT)
end
return {count, '', queued and 1 or 0, room, tostring(parked), '0'}
"""
)

LOOK = (
    _BEGIN
    + """
local found, tier = {}, tonumber(ARGV[1])
for level = 1, levels do
  local state = KEYS[level * 2 - 1]
  local n, most = believed(level)
  local _, wait = able_of(level, tier)
  local known = redis.call('HMGET', state, 'ceiling', 'ceiling_until', 'rest_until')
  local until_ms, rest = tonumber(known[2] or '') or 0, tonumber(known[3] or '') or 0
  found[level] = {
    redis.call('ZCOUNT', KEYS[level * 2], now, '+inf'), math.floor(n), math.floor(most), tostring(wait),
    tostring(math.max(0, until_ms - now)), tostring(math.max(0, rest - now)),
    tostring(connect_wait(level, tier))}
end
return found
"""
)

PARK = (
    _BEGIN
    + """
local count, tier = tonumber(ARGV[1]), tonumber(ARGV[2])
local first, step = now, 0
for level = 1, levels do
  local state, pace = KEYS[level * 2 - 1], step_of(level)
  local tat = tat_of(level)
  if tier == 0 then
    first = math.max(first, tat - 10 * pace)
  else
    first = math.max(first, tat, num(state, 'queue') or 0)
  end
  step = math.max(step, pace)
end
if tier > 0 then
  for level = 1, levels do
    redis.call('HSET', KEYS[level * 2 - 1], 'queue', string.format('%.3f', first + count * step))
    redis.call('EXPIRE', KEYS[level * 2 - 1], KEPT)
  end
end
return {tostring(math.ceil(first - now)), tostring(step)}
"""
)

MARK = """
redis.call('HINCRBY', KEYS[#KEYS - 1], 'parked', 1)
redis.call('EXPIRE', KEYS[#KEYS - 1], 1800)
"""

# Success raises what is believed by 1/N and only while the connections are in use; a mark against the host lowers it
# by 1/N, so that both balance at the same share whatever N is. A server that says "too many connections" has shown
# its limit: one below what was open. Who asks for less while nobody else is let in gets a rest, longer each time.
# Nobody home so many times in a row as the destination bears is the same as three times over everybody who may try.
# With `keep`, a lease that cannot be kept stays until the connection is closed and it is given back for good.
FINISH = (
    _BEGIN
    + """
local lease, good, bad = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local crowded, throttled, unused, keep = ARGV[4] == '1', ARGV[5] == '1', tonumber(ARGV[6]), tonumber(ARGV[7])
local drained, ceiling_ms, rest_ms = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local lost, opened = tonumber(ARGV[11]), tonumber(ARGV[12])
local kept = keep > 0
local parked, queued = marks()
local empty = drained >= parked
if empty then
  queued = false
  redis.call('HSET', KEYS[levels * 2 - 1], 'drained', parked)
end
for level = 1, levels do
  local state, leases = KEYS[level * 2 - 1], KEYS[level * 2]
  redis.call('ZREMRANGEBYSCORE', leases, '-inf', now)
  local used = redis.call('ZCARD', leases)
  local n = succeed(level, used, good)
  connected(level, opened)
  local dead, most_losses = false, setting(level, 5)
  if good == 0 and lost > 0 then
    local losses = redis.call('HINCRBY', state, 'losses', 1)
    dead = tonumber(redis.call('HINCRBYFLOAT', state, 'lost', lost / n)) > COHORTS
    dead = dead or (most_losses > 0 and losses >= most_losses)
  end
  if bad > 0 then n = math.max(1, n - bad / n) end
  if crowded then
    local ceiling = math.max(1, math.min(used - 1, math.floor(n)))
    redis.call('HSET', state, 'ceiling', ceiling, 'ceiling_until', string.format('%.0f', now + ceiling_ms))
    n = math.min(n, ceiling + 0.99)
  end
  if good > 0 then
    redis.call('HDEL', state, 'fails', 'rest_until', 'lost', 'losses')
  elseif dead or throttled and used <= 1 then
    local fails = redis.call('HINCRBY', state, 'fails', 1)
    local rest = math.min(30, 2 ^ (fails - 1)) * rest_ms
    redis.call('HSET', state, 'rest_until', string.format('%.0f', now + rest))
  end
  if good > 0 or bad > 0 or crowded then redis.call('HSET', state, 'n', string.format('%.4f', n)) end
  if unused > 0 then
    local tat = num(state, 'tat')
    if tat then redis.call('HSET', state, 'tat', string.format('%.3f', tat - unused * step_of(level))) end
  end
  if empty then redis.call('HDEL', state, 'queue') end
  redis.call('EXPIRE', state, math.max(KEPT, math.ceil(ceiling_ms / 1000)))
  if used + 1 > (math.floor(n) - 1) / 2 then kept = false end
end
for level = 1, levels do
  if kept then
    redis.call('ZADD', KEYS[level * 2], 'XX', now + keep, lease)
  elseif keep == 0 then
    redis.call('ZREM', KEYS[level * 2], lease)
  end
end
return {kept and 1 or 0, queued and 1 or 0}
"""
)

RENEW = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + clock[2] / 1000
local owners, count = {}, 0
for level = 1, #KEYS / 2 do
  local leases = KEYS[level * 2]
  for place = 3, #ARGV do redis.call('ZADD', leases, 'XX', now + tonumber(ARGV[2]), ARGV[place]) end
  for _, member in ipairs(redis.call('ZRANGE', leases, 0, -1)) do
    local owner = string.match(member, '^[^:]*')
    if not owners[owner] then
      owners[owner] = true
      count = count + 1
    end
  end
end
return {count}
"""
