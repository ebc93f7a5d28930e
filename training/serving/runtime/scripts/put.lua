-- Put a rebuilt record, unless it was dropped while it was being rebuilt.
--
-- KEYS 1 record   2 counter to seed, or ''   ARGV 1 lease   2 lifetime ms   3 the counter's value
--      then field, value, ...
-- Returns 1, or 0 when the lease is gone: then the caller reads the database again.

if redis.call('GET', KEYS[1] .. ':lease') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if KEYS[2] ~= '' then redis.call('SET', KEYS[2], ARGV[3], 'NX', 'PX', 8640000000) end
return 1
