-- ARGV[5]: the last record before the snapshot.
local answer = refused()
if answer then return answer end
local known = redis.call('HMGET', KEYS[1], 'snapshot', 'snapshot_open')
if known[1] == ARGV[5] then return {'finished'} end
if known[2] then redis.call('UNLINK', snapshot_key(known[2])) end
redis.call('UNLINK', KEYS[6])
redis.call('HSET', KEYS[1], 'snapshot_open', ARGV[5])
return {'ok'}
