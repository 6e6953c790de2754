#!lua flags=allow-oom
--[[ Shows life for entries of one stream, those this consumer still owns; or, with a large idle time,
gives them up so that others may claim them at once.

KEYS[1] the stream   ARGV[1] group   ARGV[2] consumer   ARGV[3] idle milliseconds   ARGV[4..] ids
Returns the ids of those that it owns.
]]
local kept = {}
for i = 4, #ARGV do
  local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)
  if not pending.err and pending[1] and pending[1][2] == ARGV[2] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'IDLE', ARGV[3], 'JUSTID')
    kept[#kept + 1] = ARGV[i]
  end
end
return kept
