-- ARGV[5..7]: the record before the batch (number, epoch, checksum), or empty: the batch begins the stream.
-- ARGV[8]: the first record. ARGV[9..12]: the last record (number, epoch, checksum, offset after it). ARGV[13]: the frame.
local answer = refused() or changed()
if answer then return answer end
local now = tip()
if now[1] == ARGV[9] and now[2] == ARGV[10] and now[3] == ARGV[11] then
  -- A write, so that WAIT on this connection waits for the replicas.
  redis.call('HSET', KEYS[1], 'tip_lsn', now[1])
  return {'already'}
end
local follows = now[1] == ARGV[5] and now[2] == ARGV[6] and now[3] == ARGV[7]
local begins = not now[1] and ARGV[5] == ''
if not (follows or begins) then return {'ends_with', now} end
-- XADD is the first write: when memory is short, it fails and nothing has changed.
redis.call('XADD', KEYS[2], ARGV[9] .. '-0', 'b', ARGV[13])
redis.call('HSET', KEYS[1], 'tip_lsn', ARGV[9], 'tip_epoch', ARGV[10], 'tip_crc', ARGV[11], 'tip_offset', ARGV[12])
redis.call('HINCRBY', KEYS[1], 'batches', 1)
if begins then redis.call('HSET', KEYS[1], 'begin_lsn', ARGV[8]) end
return {'ok'}
