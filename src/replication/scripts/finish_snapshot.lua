-- ARGV[5..8]: the last record before the snapshot, the last record in it, the number of its chunks, their bytes.
local answer = refused()
if answer then return answer end
local known = redis.call('HMGET', KEYS[1], 'snapshot', 'snapshot_open', 'tip_lsn')
if known[2] ~= ARGV[5] then
  if known[1] == ARGV[5] then return {'ok'} end
  return {'not_begun'}
end
local chunks = redis.call('LLEN', KEYS[6])
if chunks ~= tonumber(ARGV[7]) then return {'chunks', chunks} end
if not known[3] or tonumber(known[3]) < tonumber(ARGV[6]) then return {'not_reached', known[3]} end
redis.call('HSET', KEYS[1], 'snapshot', ARGV[5], 'snapshot_end', ARGV[6], 'snapshot_chunks', ARGV[7],
  'snapshot_bytes', ARGV[8])
redis.call('HDEL', KEYS[1], 'snapshot_open')
if known[1] then redis.call('UNLINK', snapshot_key(known[1])) end
return {'ok'}
