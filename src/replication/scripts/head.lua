local answer = unreadable(ARGV[2] == '')
if answer then return answer end
return {
  'ok',
  redis.call('HGETALL', KEYS[1]),
  redis.call('GET', KEYS[5]),
  redis.call('PTTL', KEYS[5]),
  redis.call('XLEN', KEYS[2]),
  redis.call('HLEN', KEYS[3]),
  redis.call('HLEN', KEYS[4]),
  now_ms(),
}
