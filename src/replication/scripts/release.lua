local answer = refused()
if answer then return answer end
redis.call('DEL', KEYS[5])
-- A missing lease that was released needs no wait. A server without memory refuses this note, and then it does.
redis.pcall('HSET', KEYS[1], 'released', ARGV[3])
return {'ok'}
