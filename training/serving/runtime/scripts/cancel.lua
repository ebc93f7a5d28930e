-- Cancel: the web process gives up at the deadline.
--
-- KEYS 1 idem, or the key record when the door never answered   ARGV 1 nonce   2 group
--      3 '' or, with the key record, the last part of idem's key
-- Returns 'cancelled' when the request will never be answered or charged, 'decided' when an
-- answer was written first and is on its way, 'unknown' when the key record is gone. A call whose
-- fate was unknown leaves a mark, so that its late twin is refused by the door.

local idem = KEYS[1]
if ARGV[3] ~= '' then
  local tenant = redis.call('HGET', KEYS[1], 'tenant')
  if not tenant then return 'unknown' end
  idem = 't:' .. tenant .. ':idem:' .. ARGV[3]
end
local seen = redis.call('HMGET', idem, 'nonce', 'state', 'queue', 'id')
if seen[1] ~= ARGV[1] then
  if not seen[1] then
    redis.call('HSET', idem, 'state', 'cancelled', 'nonce', ARGV[1])
    redis.call('PEXPIRE', idem, 60000)
  end
  return 'cancelled'
end
if seen[2] == 'cancelled' then return 'cancelled' end
if seen[2] ~= 'running' then return 'decided' end

local found = redis.call('XRANGE', seen[3], seen[4], seen[4])[1]
if not found or redis.call('XDEL', seen[3], seen[4]) == 0 then return 'decided' end
redis.call('XACK', seen[3], ARGV[2], seen[4])
local entry = {}
for i = 1, #found[2], 2 do entry[found[2][i]] = found[2][i + 1] end
local inflight = string.gsub(seen[3], 'q[01]$', 'inflight')
if redis.call('HINCRBY', inflight, entry.tenant, -1) <= 0 then
  redis.call('HDEL', inflight, entry.tenant, entry.tenant .. ':units')
else
  redis.call('HINCRBY', inflight, entry.tenant .. ':units', -entry.units)
end
redis.call('DEL', idem)
return 'cancelled'
