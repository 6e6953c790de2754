#!lua
--[[ Puts a task on the queue; under an idempotency key only once.

KEYS[1] tasks   KEYS[2] the idempotency key, if there is one   ARGV the fields of the entry
Returns {1 if it was added, the entry id or whatever the key holds}.
]]
if KEYS[2] then
  local holder = redis.call('GET', KEYS[2])
  if holder then
    return {0, holder}
  end
end
local id = redis.call('XADD', KEYS[1], '*', unpack(ARGV))
if KEYS[2] then
  redis.call('SET', KEYS[2], id)
end
return {1, id}
