local answer = refused()
if answer then return answer end
redis.call('DEL', KEYS[5])
return {'ok'}
