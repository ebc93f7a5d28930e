-- The door: one atomic step decides whether a request may enter, and enters it.
--
-- KEYS 1 record k:<digest>
-- ARGV 1 deployment name   2 scope asked for   3 idem: the last part of its key   4 keyed: 1 if
--      the client sent an Idempotency-Key   5 hash of the request   6 request id; keyed: what
--      it is made of, so that the same request of a tenant has the same id for ever
--      7 nonce of this call   8 reply stream   9 ttl ms   10 units (texts)   11 depth
--      12 lease offered to a caller who must rebuild a record   13 body (JSON list of texts)
--      14 alive window ms
-- Reads and writes, by names.py: k:<digest>[:lease]  t:<tenant>:dep:<name>[:lease]
--      t:<tenant>:idem:<idem>  t:<tenant>:used:predictions:<period>  t:<tenant>:gcra
--      {s<shard>}:q0 q1 alive inflight
-- Returns a list whose first item is the verdict. Nothing is written unless it is 'ok'
-- (or 'missing', which leaves the lease).

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
  'cap', 'soft', 'quota', 'period')
local tenant = record[1]
if not tenant then return missing('key', KEYS[1], '') end
if record[3] ~= '' and now >= tonumber(record[3]) then return {'key_expired'} end
if not string.find(' ' .. record[2] .. ' ', ' ' .. ARGV[2] .. ' ', 1, true) then
  return {'scope_missing'}
end

local own = 't:' .. tenant .. ':'
local place = own .. 'dep:' .. ARGV[1]
local entry = redis.call('HMGET', place, 'deployment', 'version', 'status', 'shard')
if not entry[1] then return missing('deployment', place, tenant) end
if entry[3] ~= 'live' then return {'not_live', entry[3]} end

local idem = own .. 'idem:' .. ARGV[3]
local seen = redis.call('HMGET', idem, 'state', 'nonce', 'hash', 'rid', 'body')
if seen[2] == ARGV[7] then
  -- This very call, repeated after a broken connection: it entered, or it was cancelled.
  if seen[1] == 'cancelled' then return {'cancelled'} end
  return {'ok', seen[4], idem}
end
if ARGV[4] == '1' and (seen[1] == 'running' or seen[1] == 'done') then
  if seen[3] ~= ARGV[5] then return {'mismatch'} end
  if seen[1] == 'running' then return {'running'} end
  return {'replay', seen[4], seen[5]}
end

local shard = '{s' .. entry[4] .. '}:'
if redis.call('ZCOUNT', shard .. 'alive', now - ARGV[14], '+inf') == 0 then return {'no_server'} end

local units = tonumber(ARGV[10])
local held = redis.call('HMGET', shard .. 'inflight', tenant, tenant .. ':units')
local counter = own .. 'used:predictions:' .. record[9]
if record[8] ~= '' then
  local used = tonumber(redis.call('GET', counter) or '0')
  if used + tonumber(held[2] or '0') + units > tonumber(record[8]) then
    return {'quota', record[8], int(used)}
  end
end

-- GCRA (ITU-T I.371): one stored time says when the bucket is empty again.
local interval = tonumber(record[4])
local tat = math.max(tonumber(redis.call('GET', own .. 'gcra') or '0'), now) + interval
local early = tat - interval * tonumber(record[5]) - now
if interval > 0 and early > 0 then return {'rate', int(math.ceil(early))} end

if redis.call('XLEN', shard .. 'q0') + redis.call('XLEN', shard .. 'q1') >= tonumber(ARGV[11]) then
  return {'full'}
end
local requests = tonumber(held[1] or '0') + 1
if requests > tonumber(record[6]) then return {'busy'} end

local rid = ARGV[6]
if ARGV[4] == '1' then rid = string.sub(redis.sha1hex(tenant .. ':' .. rid), 1, 32) end

-- Accepted: from here on exactly one XDEL decides this entry.
if interval > 0 then
  redis.call('SET', own .. 'gcra', string.format('%.3f', tat), 'PX', int(tat - now + 1000))
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
return {'ok', rid, idem}
