-- The beginning of every script. KEYS: head, stream, keys, erased, lease, and in scripts about snapshots the snapshot.
-- ARGV: the newest format that the caller knows, its instance, its fence, its owner, and what the script needs.
-- Numbers are texts: a script compares them as texts where equality is enough. A table `{name, ...}` is the answer.

-- The last record of the stream: number, epoch, checksum, offset after it. Empty: there is none.
local function tip()
  local fields = redis.call('HMGET', KEYS[1], 'tip_lsn', 'tip_epoch', 'tip_crc', 'tip_offset')
  if not fields[1] then return {} end
  return fields
end

-- The time of the server in milliseconds.
local function now_ms()
  local time = redis.call('TIME')
  return string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
end

-- The answer to a caller who may not read this copy, or nil. `any` accepts every instance.
local function unreadable(any)
  local head = redis.call('HMGET', KEYS[1], 'format', 'instance', 'fence')
  if not (head[1] or head[2] or head[3]) then return {'empty'} end
  if not head[1] or not head[3] then
    return redis.error_reply('ERR ' .. KEYS[1] .. ' lacks its format or its fence')
  end
  if tonumber(head[1]) > tonumber(ARGV[1]) then return {'format', head[1]} end
  if not head[2] then return {'empty'} end
  if not any and head[2] ~= ARGV[2] then return {'instance', head[2]} end
  return nil
end

-- The answer to a caller who may not change this copy, or nil.
local function refused()
  local head = redis.call('HMGET', KEYS[1], 'format', 'instance', 'fence', 'owner')
  if head[1] and head[3] and not head[2] and tonumber(head[1]) <= tonumber(ARGV[1]) then
    -- The copy was discarded, and its fence stayed.
    return {'fenced', head[3], head[4] or ''}
  end
  local answer = unreadable(false)
  if answer then return answer end
  if head[3] ~= ARGV[3] or head[4] ~= ARGV[4] then return {'fenced', head[3], head[4] or ''} end
  return nil
end

-- The answer if entries were added to the stream or deleted from it by hand, or nil. It also notices that the last entry is
-- not the tip, and costs no read of an entry.
local function changed()
  local expected = redis.call('HMGET', KEYS[1], 'batches', 'tip_lsn')
  if redis.call('XLEN', KEYS[2]) == tonumber(expected[1] or '0') then return nil end
  local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
  return {'changed', last and last[1] or 'none', expected[2] and (expected[2] .. '-0') or 'none'}
end

-- The key of the snapshot that begins after a record.
local function snapshot_key(begin)
  return string.sub(KEYS[1], 1, -5) .. 'snapshot:' .. begin
end
