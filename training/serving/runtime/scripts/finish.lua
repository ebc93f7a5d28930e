-- Finish: answers and meters a batch, each entry at most once.
--
-- KEYS 1 inflight   2 usage
-- ARGV 1 group, then per entry: queue, id, status, tokens, body
-- XDEL = 1 is the only permission to answer: a server that was frozen, or that computed an entry
-- a second time, gets 0 and nothing of it is seen or charged.
-- Returns per entry the status that was sent, or '' when somebody else had decided it.

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local sent = {}

local function fields(queue, id)
  local found = redis.call('XRANGE', queue, id, id)[1]
  if not found then return nil end
  local entry = {}
  for i = 1, #found[2], 2 do entry[found[2][i]] = found[2][i + 1] end
  return entry
end

local function release(entry)
  if redis.call('HINCRBY', KEYS[1], entry.tenant, -1) <= 0 then
    redis.call('HDEL', KEYS[1], entry.tenant, entry.tenant .. ':units')
  else
    redis.call('HINCRBY', KEYS[1], entry.tenant .. ':units', -entry.units)
  end
end

local function remember(entry, status, body)
  -- Without a client's key only a short mark stays: it stops the web process's own repeat of the
  -- door after a broken connection from running the request again.
  if redis.call('HGET', entry.idem, 'nonce') ~= entry.nonce then return end
  redis.call('HDEL', entry.idem, 'queue', 'id')
  if status == 'ok' and entry.keyed == '1' then
    redis.call('HSET', entry.idem, 'state', 'done', 'body', body)
    redis.call('PEXPIRE', entry.idem, 600000)
  else
    redis.call('HSET', entry.idem, 'state', 'over')
    redis.call('PEXPIRE', entry.idem, 10000)
  end
end

local function meter(entry, tokens)
  redis.call('XADD', KEYS[2], '*', 'rid', entry.rid, 'tenant', entry.tenant, 'deployment',
    entry.deployment, 'version', entry.version, 'units', entry.units, 'tokens', tokens,
    'at', string.format('%.0f', now))
  redis.call('INCRBY', entry.used, entry.units)
  redis.call('PEXPIRE', entry.used, 8640000000) -- 100 days: longer than any period but a year's
end

for i = 2, #ARGV, 5 do
  local queue, id, status, tokens, body = unpack(ARGV, i, i + 4)
  local entry = fields(queue, id)
  local verdict = ''
  if entry and redis.call('XDEL', queue, id) == 1 then
    if now > tonumber(entry.deadline) then status, body = 'expired', '' end
    release(entry)
    redis.call('XADD', entry.reply, 'MAXLEN', '~', 8192, '*', 'nonce', entry.nonce,
      'status', status, 'body', body)
    redis.call('PEXPIRE', entry.reply, 60000)
    if status == 'ok' then meter(entry, tokens) end
    remember(entry, status, body)
    verdict = status
  end
  redis.call('XACK', queue, ARGV[1], id)
  sent[#sent + 1] = verdict
end
return sent
