-- Admit: one atomic step decides whether a request may go on, and takes its place.
--
-- KEYS 1 the tenant's time   2 the actor's time   3 the tenant's slots   4 the actor's slots
--      5 the set of used keys
-- ARGV 1-3 the tenant's interval in microseconds, burst, slots   4-6 the actor's
--      7 name of this request's slot   8 lifetime of a slot in microseconds
--      9 id of the API key to note as used, or ''
-- Returns {verdict 'ok' | 'rate' | 'busy', microseconds to wait, limit, left, microseconds until
-- the whole limit is free again}; limit is -1 when there is none. Nothing is taken unless 'ok'.
--
-- Rate: GCRA (ITU-T I.371): one stored time says when the bucket is empty again. Slots: a sorted
-- set scored by when a slot ends by itself, so that a worker that dies gives its slot back.

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local function whole(number) return string.format('%.0f', number) end

local function rate(key, interval, burst)
  if interval == 0 then return nil end
  local tat = math.max(tonumber(redis.call('GET', key) or '0'), now) + interval
  return {key = key, tat = tat, interval = interval, burst = burst,
    early = tat - burst * interval - now}
end

local wait, tightest, left, rates = 0, nil, nil, {}
for i = 0, 1 do
  local one = rate(KEYS[1 + i], tonumber(ARGV[1 + 3 * i]), tonumber(ARGV[2 + 3 * i]))
  if one then
    table.insert(rates, one)
    wait = math.max(wait, one.early)
    local mine = math.floor(-one.early / one.interval)
    if not left or mine < left then tightest, left = one, mine end
  end
end

local function answer(verdict, taken)
  if not tightest then return {verdict, whole(math.max(wait, 0)), -1, 0, 0} end
  local tat = taken and tightest.tat or tightest.tat - tightest.interval
  return {verdict, whole(math.max(wait, 0)), tightest.burst,
    math.max(0, taken and left or left + 1), whole(math.max(0, tat - now))}
end

if wait > 0 then return answer('rate', false) end

for i = 3, 4 do
  local most = tonumber(ARGV[3 + 3 * (i - 3)])
  if most > 0 then
    redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', whole(now))
    if redis.call('ZCARD', KEYS[i]) >= most then return answer('busy', false) end
  end
end

for _, one in ipairs(rates) do
  redis.call('SET', one.key, string.format('%.1f', one.tat),
    'PX', whole(math.ceil((one.tat - now) / 1000) + 1000))
end
for i = 3, 4 do
  if tonumber(ARGV[3 + 3 * (i - 3)]) > 0 then
    redis.call('ZADD', KEYS[i], whole(now + ARGV[8]), ARGV[7])
    redis.call('PEXPIRE', KEYS[i], whole(ARGV[8] / 1000))
  end
end
if ARGV[9] ~= '' then
  redis.call('ZADD', KEYS[5], 'GT', whole(now / 1000), ARGV[9])
  redis.call('PEXPIRE', KEYS[5], 86400000)
end
return answer('ok', true)
