#!lua flags=allow-oom
--[[ Moves an entry to the dead letters as it is, whatever it holds; once, however often it is called.

KEYS[1] the stream   KEYS[2] the dead letters
KEYS[3] the idempotency key of a task that has one; freed, if it is this task that holds it
ARGV[1] the group   ARGV[2] the entry id   ARGV[3] the reason   ARGV[4] the stream's short name
]]
local found = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])
if #found == 0 then
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
  return 0
end
local time, original = redis.call('TIME'), found[1][2]
local at = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local letter = {'reason', ARGV[3], 'stream', ARGV[4], 'at', at, 'entry', ARGV[2]}
local most = math.min(#original, 2000)
for i = 1, most, 2 do
  letter[#letter + 1] = 'f:' .. original[i]
  letter[#letter + 1] = original[i + 1]
end
if #original > most then
  letter[#letter + 1] = 'cut'
  letter[#letter + 1] = tostring((#original - most) / 2)
end
redis.call('XADD', KEYS[2], '*', unpack(letter))
if KEYS[3] and redis.call('GET', KEYS[3]) == ARGV[2] then
  redis.call('DEL', KEYS[3])
end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
return 1
