#!lua flags=allow-oom
--[[ Takes over entries whose consumers have been silent, from several streams at once.

KEYS the streams
ARGV[1] group   ARGV[2] consumer   ARGV[3] idle milliseconds   ARGV[4] how many per stream
ARGV[5..] where to go on scanning, one per stream

Returns {now in ms, {next position, entries, delivery counts, number of deleted entries} per stream}.
]]
local time = redis.call('TIME')
local answer = {}
for i, stream in ipairs(KEYS) do
  local claimed = redis.pcall(
    'XAUTOCLAIM', stream, ARGV[1], ARGV[2], ARGV[3], ARGV[4 + i], 'COUNT', ARGV[4])
  if claimed.err then
    answer[i] = {'0-0', {}, {}, 0}
  else
    local counts = {}
    for j, entry in ipairs(claimed[2]) do
      local pending = redis.call('XPENDING', stream, ARGV[1], entry[1], entry[1], 1)
      counts[j] = pending[1] and pending[1][4] or 1
    end
    answer[i] = {claimed[1], claimed[2], counts, claimed[3] and #claimed[3] or 0}
  end
end
return {string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), answer}
