#!lua flags=allow-oom
--[[ Acknowledges and deletes entries of one stream, together.

KEYS[1] the stream   ARGV[1] the group   ARGV[2..] entry ids
]]
redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 2))
return redis.call('XDEL', KEYS[1], unpack(ARGV, 2))
