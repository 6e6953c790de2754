#!lua
--[[ Puts a dead letter back where it came from; once, however often it is called.

KEYS[1] the dead letters   KEYS[2] the stream it came from   ARGV[1] the letter's entry id
]]
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
if #found == 0 then
  return 0
end
local original = {}
for i = 1, #found[1][2], 2 do
  local name = found[1][2][i]
  if string.sub(name, 1, 2) == 'f:' then
    original[#original + 1] = string.sub(name, 3)
    original[#original + 1] = found[1][2][i + 1]
  end
end
if #original > 0 then
  redis.call('XADD', KEYS[2], '*', unpack(original))
end
redis.call('XDEL', KEYS[1], ARGV[1])
return 1
