#!lua
--[[ Records that a process lives, now.

KEYS[1] members   ARGV[1] its name   ARGV[2] what it says of itself
]]
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], ARGV[1], now .. ' ' .. ARGV[2])
return now
