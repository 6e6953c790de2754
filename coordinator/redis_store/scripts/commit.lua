#!lua
--[[ Saves one transition of one run, or nothing.

KEYS[1] the run; the others as the arguments name them, by their number.
ARGV[1] the run's revision before (0 = it must not exist yet)
ARGV[2] the type every key has or will have, one letter each: h hash, x stream, z zset, s set, t text,
        . = it is read, or written first of all, so that a wrong type stops the script by itself
ARGV[3] how many inputs; for each: number of its stream, entry id
then    number of the idempotency key (0 = none), and with a key: the run, the task's entry id
then the writes, in their order; one of them sets the run's new revision:
  C key command n arg*n        any command on one key
  Q key field n arg*n          send a request: XADD key * args; remember its id in the run's field
  D key group field            settle a request: acknowledge and delete the one the field remembers
  A key inbox member limit mode cancel
                               ask for a slot of a concurrency key; `cancel` is the signal for
                               those that mode `replace` cancels
  R key inbox member           give the slot back, or leave the queue
A concurrency key holds members `<run> <attempt> <limit>`: score 0 has a slot, above 0 it waits, in
this order. Nobody overtakes: while one waits, those behind it do. Who gets a slot, is refused one or
is cancelled hears of it through the inbox.

Returns {"ok" | "conflict" | "duplicate", revision now, who has the idempotency key}.
A script that fails half-way keeps what it has written, so everything is checked before the first
write: the revision, the inputs, the types of all keys.
]]
local run, call = KEYS[1], redis.call
local types = {h = 'hash', x = 'stream', z = 'zset', s = 'set', t = 'string'}

local revision = call('HGET', run, 'rev') or '0'
local at = 4
for _ = 1, tonumber(ARGV[3]) do
  local id = ARGV[at + 1]
  if #call('XRANGE', KEYS[tonumber(ARGV[at])], id, id) == 0 then
    return {'duplicate', revision, ''}
  end
  at = at + 2
end
if revision ~= ARGV[1] then
  return {'conflict', revision, ''}
end
local idempotency = tonumber(ARGV[at])
at = at + 1
if idempotency > 0 then
  local holder = call('GET', KEYS[idempotency])
  if holder and holder ~= ARGV[at] and holder ~= ARGV[at + 1] then
    return {'duplicate', revision, holder}
  end
  at = at + 2
end
for i = 1, #KEYS do
  local kind = string.sub(ARGV[2], i, i)
  if kind ~= '.' then
    local found = call('TYPE', KEYS[i]).ok
    if found ~= 'none' and found ~= types[kind] then
      return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' is a ' .. found)
    end
  end
end

local function take_turns(key, inbox)
  local held = call('ZCOUNT', key, 0, 0)
  while true do
    local first = call('ZRANGEBYSCORE', key, 1, '+inf', 'LIMIT', 0, 1)[1]
    local holder, attempt, limit = string.match(first or '', '^(%S+) (%d+) (%d+)$')
    if not holder or held >= tonumber(limit) then
      return
    end
    call('ZADD', key, 0, first)
    call('XADD', inbox, '*', 'run', holder, 'slot', 'granted', 'attempt', attempt)
    held = held + 1
  end
end

local function cancel_all(members, inbox, signal)
  for _, member in ipairs(members) do
    call('XADD', inbox, '*', 'run', string.match(member, '^%S+'), 'signal', signal)
  end
end

local function acquire(key, inbox, member, limit, mode, signal)
  if mode == 'replace' then
    cancel_all(call('ZRANGEBYSCORE', key, 1, '+inf'), inbox, signal)
    call('ZREMRANGEBYSCORE', key, 1, '+inf')
  end
  local last = call('ZREVRANGE', key, 0, 0, 'WITHSCORES')
  local place = last[1] and tonumber(last[2]) + 1 or 1
  local is_full = place > 1 or call('ZCOUNT', key, 0, 0) >= tonumber(limit)
  if is_full and mode == 'skip' then
    local of, attempt = string.match(member, '^(%S+) (%d+)')
    local holder = string.match(call('ZRANGE', key, 0, 0)[1], '^%S+')
    call('XADD', inbox, '*', 'run', of, 'slot', 'refused', 'attempt', attempt, 'holder', holder)
    return
  end
  if is_full and mode == 'replace' then
    cancel_all(call('ZRANGEBYSCORE', key, 0, 0), inbox, signal)
  end
  call('ZADD', key, place, member)
  take_turns(key, inbox)
end

local writes = at
while at <= #ARGV do
  local op, key = ARGV[at], KEYS[tonumber(ARGV[at + 1])]
  if op == 'C' then
    local last = at + 3 + tonumber(ARGV[at + 3])
    call(ARGV[at + 2], key, unpack(ARGV, at + 4, last))
    at = last + 1
  elseif op == 'Q' then
    local last = at + 3 + tonumber(ARGV[at + 3])
    call('HSET', run, ARGV[at + 2], call('XADD', key, '*', unpack(ARGV, at + 4, last)))
    at = last + 1
  elseif op == 'A' then
    acquire(key, KEYS[tonumber(ARGV[at + 2])], unpack(ARGV, at + 3, at + 6))
    at = at + 7
  elseif op == 'R' then
    call('ZREM', key, ARGV[at + 3])
    take_turns(key, KEYS[tonumber(ARGV[at + 2])])
    at = at + 4
  else
    local id = call('HGET', run, ARGV[at + 3])
    if id then
      call('XACK', key, ARGV[at + 2], id)
      call('XDEL', key, id)
      call('HDEL', run, ARGV[at + 3])
    end
    at = at + 4
  end
end
for i = 0, tonumber(ARGV[3]) - 1 do
  local stream, id = KEYS[tonumber(ARGV[4 + 2 * i])], ARGV[5 + 2 * i]
  call('XACK', stream, 'coordinators', id)
  call('XDEL', stream, id)
end
if idempotency > 0 then
  call('SET', KEYS[idempotency], ARGV[writes - 2], 'NX')
end
-- For whoever waits for news of this run. Not being allowed to tell must not look like a failure.
redis.pcall('SPUBLISH', run, '')
return {'ok', call('HGET', run, 'rev'), ''}
