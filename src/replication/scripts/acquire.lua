-- ARGV[3]: the new fence is higher than this. ARGV[5..8]: the wrapped secret, the owner that may be replaced (`any`, `owner`
-- or empty), on_outage, lease_ms or empty. ARGV[9..10]: with `owner`, its fence and its name.
-- ARGV[11..14]: what the caller has compared with its journal: `any`, `none` (there is no copy), or `tip` with the last
-- record (number, epoch, checksum; empty: the stream has none).
local head = redis.call('HMGET', KEYS[1], 'format', 'instance', 'fence', 'owner')
if head[1] and tonumber(head[1]) > tonumber(ARGV[1]) then return {'format', head[1]} end
if head[2] and head[2] ~= ARGV[2] then return {'instance', head[2]} end
local created = not head[2]
if created and redis.call('EXISTS', KEYS[2], KEYS[3], KEYS[4], KEYS[5]) > 0 then
  return redis.error_reply('ERR there are a stream, keys or a lease of a copy, and ' .. KEYS[1]
    .. ' is missing: it was deleted by hand. Run `levelgate redis discard`')
end
local lease = redis.call('GET', KEYS[5])
local may_replace = ARGV[6] == 'any' or (ARGV[6] == 'owner' and head[3] == ARGV[9] and head[4] == ARGV[10])
if lease and not may_replace and head[4] ~= ARGV[4] then
  return {'held', head[4] or '', lease, redis.call('PTTL', KEYS[5])}
end
if not created then
  local answer = changed()
  if answer then return answer end
end
-- Compared before anything changes: a daemon that lives keeps its fence if its records are of another lineage.
local now = tip()
local is_tip = not created and (now[1] or '') == ARGV[12] and (now[2] or '') == ARGV[13] and (now[3] or '') == ARGV[14]
if not (ARGV[11] == 'any' or (ARGV[11] == 'none' and created) or (ARGV[11] == 'tip' and is_tip)) then
  return {'moved', now}
end
local fence = string.format('%.0f', math.max(tonumber(head[3] or '0'), tonumber(ARGV[3])) + 1)
redis.call('HSET', KEYS[1], 'fence', fence, 'owner', ARGV[4], 'on_outage', ARGV[7], 'renewed_at', now_ms())
if created then redis.call('HSET', KEYS[1], 'format', ARGV[1], 'instance', ARGV[2], 'secret', ARGV[5]) end
if ARGV[8] == '' then
  redis.call('SET', KEYS[5], fence)
else
  redis.call('SET', KEYS[5], fence, 'PX', ARGV[8])
end
return {'ok', fence, created and 1 or 0, now, head[3] or '', head[4] or ''}
