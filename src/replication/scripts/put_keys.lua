-- ARGV[5..]: pairs of a key's number and its wrapped entry.
local answer = refused()
if answer then return answer end
for i = 5, #ARGV, 2 do
  if redis.call('HEXISTS', KEYS[4], ARGV[i]) == 0 then redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end
end
return {'ok'}
