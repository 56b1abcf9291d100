-- ARGV[5]: lease_ms, or empty: the lease never expires.
local answer = refused()
if answer then return answer end
if ARGV[5] == '' then
  redis.call('SET', KEYS[5], ARGV[3])
else
  redis.call('SET', KEYS[5], ARGV[3], 'PX', ARGV[5])
end
-- The heartbeat of an owner whose lease never expires.
redis.call('HSET', KEYS[1], 'renewed_at', now_ms())
return {'ok'}
