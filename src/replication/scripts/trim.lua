-- ARGV[5]: batches that end at or before this record are removed, but never the last batch.
local answer = refused() or changed()
if answer then return answer end
local known = redis.call('HMGET', KEYS[1], 'snapshot', 'tip_lsn', 'begin_lsn')
if not known[1] or tonumber(known[1]) < tonumber(ARGV[5]) then return {'uncovered', known[1] or 'none'} end
if not known[2] then return {'ok', '0'} end
local kept = string.format('%.0f', math.min(tonumber(ARGV[5]) + 1, tonumber(known[2]))) .. '-0'
local removed = redis.call('XREVRANGE', KEYS[2], '(' .. kept, '-', 'COUNT', 1)[1]
if not removed then return {'ok', known[3]} end
local begin = string.format('%.0f', tonumber(string.match(removed[1], '^%d+')) + 1)
redis.call('XTRIM', KEYS[2], 'MINID', kept)
redis.call('HSET', KEYS[1], 'begin_lsn', begin, 'batches', redis.call('XLEN', KEYS[2]))
return {'ok', begin}
