-- The door: one atomic step decides whether a request may enter, and enters it.
--
-- KEYS 1 record k:<digest>
-- ARGV 1 deployment name   2 scope asked for   3 idem: the last part of its key   4 keyed: 1 if
--      the client sent an Idempotency-Key   5 hash of the request   6 request id; keyed: what
--      it is made of, so that the same request of a tenant has the same id for ever
--      7 nonce of this call   8 reply stream   9 ttl ms   10 units (texts)   11 depth
--      12 lease offered to a caller who must rebuild a record   13 body (JSON list of texts)
--      14 alive window ms   15 the client's address as 128 binary digits, or ''
-- Reads and writes, by names.py: k:<digest>[:lease]  t:<tenant>:dep:<name>[:lease]
--      t:<tenant>:idem:<idem>  t:<tenant>:used:predictions:<period>  t:<tenant>:gcra
--      t:<tenant>:gcra:<key>  keys:used  {s<shard>}:q0 q1 alive inflight
-- Returns a list whose first item is the verdict. Nothing is written unless it is 'ok'
-- (or 'missing', which leaves the lease). The last item of every verdict but missing, key_expired,
-- scope_missing, address and cancelled is what the caller's rate allows still:
-- '<limit> <left> <seconds until all of it>', '' without a limit.

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function int(number) return string.format('%.0f', number) end

-- A missing record is rebuilt by the caller from the database. The lease proves, when the record
-- is put, that nobody dropped it meanwhile: a revoked key cannot come back from a slow rebuild.
local function missing(what, key, tenant)
  redis.call('SET', key .. ':lease', ARGV[12], 'NX', 'PX', 10000)
  return {'missing', what, redis.call('GET', key .. ':lease'), tenant}
end

local record = redis.call('HMGET', KEYS[1], 'tenant', 'scopes', 'expires', 'interval', 'burst',
  'cap', 'soft', 'quota', 'period', 'networks', 'key', 'key_interval', 'key_burst')
local tenant = record[1]
if not tenant then return missing('key', KEYS[1], '') end
if record[3] ~= '' and now >= tonumber(record[3]) then return {'key_expired'} end
if not string.find(' ' .. record[2] .. ' ', ' ' .. ARGV[2] .. ' ', 1, true) then
  return {'scope_missing'}
end

if record[10] and record[10] ~= '' then
  local inside = false
  for network in string.gmatch(record[10], '%S+') do
    -- '*' begins each network, so that the one of all addresses is a word too.
    local bits = string.sub(network, 2)
    inside = inside or (ARGV[15] ~= '' and string.sub(ARGV[15], 1, #bits) == bits)
  end
  if not inside then return {'address'} end
end

local own = 't:' .. tenant .. ':'

-- GCRA (ITU-T I.371): one stored time says when the bucket is empty again; one for the tenant,
-- one for the key.
local function rate(key, interval, burst)
  interval = tonumber(interval or '0')
  if interval == 0 then return nil end
  local before = math.max(tonumber(redis.call('GET', key) or '0'), now)
  local tat = before + interval
  return {key = key, tat = tat, before = before, interval = interval, burst = burst,
    early = tat - interval * tonumber(burst) - now}
end
local rates, tightest, wait = {}, nil, 0
local function limit(key, interval, burst)
  local one = rate(key, interval, burst)
  if not one then return end
  table.insert(rates, one)
  wait = math.max(wait, one.early)
  one.left = math.floor(-one.early / one.interval)
  if not tightest or one.left < tightest.left then tightest = one end
end
limit(own .. 'gcra', record[4], record[5])
limit(own .. 'gcra:' .. (record[11] or ''), record[12], record[13])
local function say(verdict, taken)
  local told = ''
  if tightest then
    local left = math.max(0, taken and tightest.left or tightest.left + 1)
    local whole = math.ceil(((taken and tightest.tat or tightest.before) - now) / 1000)
    told = tightest.burst .. ' ' .. int(left) .. ' ' .. int(math.max(0, whole))
  end
  table.insert(verdict, told)
  return verdict
end

local place = own .. 'dep:' .. ARGV[1]
local entry = redis.call('HMGET', place, 'deployment', 'version', 'status', 'shard')
if not entry[1] then return missing('deployment', place, tenant) end
if entry[3] ~= 'live' then return say({'not_live', entry[3]}) end

local idem = own .. 'idem:' .. ARGV[3]
local seen = redis.call('HMGET', idem, 'state', 'nonce', 'hash', 'rid', 'body')
if seen[2] == ARGV[7] then
  -- This very call, repeated after a broken connection: it entered, or it was cancelled.
  if seen[1] == 'cancelled' then return {'cancelled'} end
  return say({'ok', seen[4], idem})
end
if ARGV[4] == '1' and (seen[1] == 'running' or seen[1] == 'done') then
  if seen[3] ~= ARGV[5] then return say({'mismatch'}) end
  if seen[1] == 'running' then return say({'running'}) end
  return say({'replay', seen[4], seen[5]})
end

local shard = '{s' .. entry[4] .. '}:'
if redis.call('ZCOUNT', shard .. 'alive', now - ARGV[14], '+inf') == 0 then return say({'no_server'}) end

local units = tonumber(ARGV[10])
local held = redis.call('HMGET', shard .. 'inflight', tenant, tenant .. ':units')
local counter = own .. 'used:predictions:' .. record[9]
if record[8] ~= '' then
  local used = tonumber(redis.call('GET', counter) or '0')
  if used + tonumber(held[2] or '0') + units > tonumber(record[8]) then
    return say({'quota', record[8], int(used)})
  end
end

if wait > 0 then return say({'rate', int(math.ceil(wait))}) end

if redis.call('XLEN', shard .. 'q0') + redis.call('XLEN', shard .. 'q1') >= tonumber(ARGV[11]) then
  return say({'full'})
end
local requests = tonumber(held[1] or '0') + 1
if requests > tonumber(record[6]) then return say({'busy'}) end

local rid = ARGV[6]
if ARGV[4] == '1' then rid = string.sub(redis.sha1hex(tenant .. ':' .. rid), 1, 32) end

-- Accepted: from here on exactly one XDEL decides this entry.
for _, one in ipairs(rates) do
  redis.call('SET', one.key, string.format('%.3f', one.tat), 'PX', int(one.tat - now + 1000))
end
if record[11] and record[11] ~= '' then
  redis.call('ZADD', 'keys:used', 'GT', int(now), record[11])
  redis.call('PEXPIRE', 'keys:used', 86400000)
end
redis.call('HINCRBY', shard .. 'inflight', tenant, 1)
redis.call('HINCRBY', shard .. 'inflight', tenant .. ':units', units)
local queue = shard .. (requests > tonumber(record[7]) and 'q1' or 'q0')
local id = redis.call('XADD', queue, '*', 'rid', rid, 'nonce', ARGV[7], 'tenant', tenant,
  'deployment', entry[1], 'version', entry[2], 'reply', ARGV[8], 'deadline', int(now + ARGV[9]),
  'units', ARGV[10], 'idem', idem, 'keyed', ARGV[4], 'used', counter, 'texts', ARGV[13])
redis.call('DEL', idem)
redis.call('HSET', idem, 'state', 'running', 'nonce', ARGV[7], 'hash', ARGV[5], 'rid', rid,
  'queue', queue, 'id', id)
redis.call('PEXPIRE', idem, ARGV[9] + 60000)
return say({'ok', rid, idem}, true)
