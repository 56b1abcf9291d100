-- ARGV[3], ARGV[5], ARGV[6]: entries after this record, at most this many, and none after this many bytes are reached.
local answer = unreadable(ARGV[2] == '')
if answer then return answer end
local known = redis.call('HMGET', KEYS[1], 'begin_lsn', 'fence', 'renewed_at')
local entries, bytes, from = {}, 0, '(' .. ARGV[3] .. '-0'
while #entries < tonumber(ARGV[5]) and bytes < tonumber(ARGV[6]) do
  local entry = redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', 1)[1]
  if not entry then break end
  entries[#entries + 1] = {entry[1], entry[2][2]}
  bytes = bytes + #entry[2][2]
  from = '(' .. entry[1]
end
return {'ok', entries, tip(), known[1], known[2], redis.call('GET', KEYS[5]), redis.call('PTTL', KEYS[5]), known[3]}
