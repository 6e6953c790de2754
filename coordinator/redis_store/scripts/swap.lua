#!lua
--[[ Replaces a field of a hash if it still holds what the caller has seen.

KEYS[1] the hash   ARGV[1] the field   ARGV[2] what it holds ('' = nothing)   ARGV[3] what it shall hold
]]
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
