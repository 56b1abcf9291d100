-- ARGV[5..7]: the last record before the snapshot, the index of the chunk, the chunk.
local answer = refused()
if answer then return answer end
if redis.call('HGET', KEYS[1], 'snapshot_open') ~= ARGV[5] then return {'not_begun'} end
local chunks, index = redis.call('LLEN', KEYS[6]), tonumber(ARGV[6])
if chunks == index then
  redis.call('RPUSH', KEYS[6], ARGV[7])
  return {'ok'}
end
if chunks == index + 1 and redis.call('LINDEX', KEYS[6], -1) == ARGV[7] then return {'ok'} end
return {'next', chunks}
