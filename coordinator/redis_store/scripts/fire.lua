#!lua flags=allow-oom
--[[ Moves due timers into the inbox, by the server's clock.

KEYS[1] timers   KEYS[2] inbox   ARGV[1] how many at most
Returns the milliseconds until the next timer, -1 when there is none.
]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call(
  'ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[1])
for _, timer in ipairs(due) do
  redis.call('XADD', KEYS[2], '*', 'timer', timer)
  redis.call('ZREM', KEYS[1], timer)
end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if #first == 0 then
  return -1
end
return math.max(0, math.floor(tonumber(first[2]) - now))
