-- ARGV[5]: whether forced.
local head = redis.call('HMGET', KEYS[1], 'format', 'fence', 'owner', 'snapshot', 'snapshot_open')
if head[1] and tonumber(head[1]) > tonumber(ARGV[1]) then return {'format', head[1]} end
local lease = redis.call('GET', KEYS[5])
if lease and ARGV[5] ~= 'forced' then return {'held', head[3] or '', lease, redis.call('PTTL', KEYS[5])} end
for i = 4, 5 do
  if head[i] then redis.call('UNLINK', snapshot_key(head[i])) end
end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5])
local fence = string.format('%.0f', tonumber(head[2] or '0') + 1)
redis.call('HSET', KEYS[1], 'format', ARGV[1], 'fence', fence, 'owner', ARGV[4] .. ' (discarded the copy)')
return {'ok'}
