#!lua flags=allow-oom
--[[ Takes consumers off the groups of several streams, but never one that still owns entries:
the server would drop them for good.

KEYS the streams   ARGV[1] group   ARGV[2] a consumer that leaves now
ARGV[3] others leave when they were idle for as many milliseconds
]]
local left = 0
for _, stream in ipairs(KEYS) do
  local consumers = redis.pcall('XINFO', 'CONSUMERS', stream, ARGV[1])
  for _, consumer in ipairs(consumers.err and {} or consumers) do
    local is = {}
    for i = 1, #consumer, 2 do
      is[consumer[i]] = consumer[i + 1]
    end
    local goes = is.name == ARGV[2] or is.idle > tonumber(ARGV[3])
    if is.pending == 0 and goes then
      redis.call('XGROUP', 'DELCONSUMER', stream, ARGV[1], is.name)
      left = left + 1
    end
  end
end
return left
