-- ARGV[5..]: pairs of a key's number and its customer.
local answer = refused()
if answer then return answer end
for i = 5, #ARGV, 2 do
  redis.call('HSET', KEYS[4], ARGV[i], ARGV[i + 1])
  redis.call('HDEL', KEYS[3], ARGV[i])
end
return {'ok'}
