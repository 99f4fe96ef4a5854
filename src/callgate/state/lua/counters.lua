-- Counters as of now. A counter is `c:KEY`, four numbers (NUMBERS) and "window total", and, in sliding windows, a
-- list `e:KEY` of "tick amount" in ascending order. `i:LIMIT` says of every counter of a limit, and `all` of every
-- counter, when it will be empty. Redis's own expiry follows a clock that may be stepped, so it comes a week late
-- and is never what ends a window; and a counter that is gone while `all` says that it counts is an error.

local UNIT_US = {minute = 60 * 1e6, hour = 3600 * 1e6, day = 86400 * 1e6}
local PAGE = 128
-- The first and the last tick, how many entries, and when the other keys' expiry was last put off.
local NUMBERS_OF = '<dddd'
local PUT_OFF_MS = 86400 * 1000

local function entry(text)
  local tick, amount = string.match(text or '', '^(%d+) ([%d.]+)$')
  if not tick then error('CALLGATE DAMAGED an entry of a counter is missing') end
  return tonumber(tick), amount
end

local ALL = PREFIX .. 'all'

local function forget(counter)
  redis.call('DEL', storage('c', counter.key), storage('e', counter.key))
  redis.call('ZREM', ALL, counter.key)
  if counter.limit then redis.call('ZREM', storage('i', counter.limit), counter.key) end
  counter.total, counter.entries, counter.kept = '0', 0, -1
end

-- In how many ms nothing is left, at the latest.
local function left_ms(counter)
  if counter.window then return counter.last + counter.window - now.tick end
  return math.ceil((counter.first + UNIT_US[counter.unit] - now.calendar) * 100 / 99 / 1000) + 1
end

local function save(counter)
  local left = left_ms(counter)
  local is_due = now.tick - counter.kept > PUT_OFF_MS or counter.kept < 0
  if is_due then counter.kept = now.tick end
  redis.call('SET', storage('c', counter.key),
    struct.pack(NUMBERS_OF, counter.first, counter.last, counter.entries, counter.kept)
    .. counter.unit .. ' ' .. counter.total, 'PX', left + KEEP_MS)
  if counter.limit then
    local index, ends = storage('i', counter.limit), now.tick + left
    redis.call('ZADD', index, ends, counter.key)
    redis.call('ZADD', ALL, ends, counter.key)
    if is_due then
      -- These have to last as long as any counter in them, and as the clock.
      redis.call('PEXPIRE', index, left + now.longest + KEEP_MS)
      redis.call('PEXPIRE', ALL, 2 * now.longest + KEEP_MS)
    end
  end
  if is_due and counter.window then redis.call('PEXPIRE', storage('e', counter.key), left + KEEP_MS) end
  return left
end

local function expire(counter)
  if not counter.window then
    local start = now.calendar - now.calendar % UNIT_US[counter.unit]
    if start > counter.first then
      forget(counter)
      counter.first, counter.last = start, start
    end
    return
  end
  local horizon = now.tick - counter.window
  if counter.first > horizon then return end
  if counter.last <= horizon then return forget(counter) end
  local gone, list = 0, storage('e', counter.key)
  while true do
    local page = redis.call('LRANGE', list, gone, gone + PAGE - 1)
    for index = 1, #page do
      local tick, amount = entry(page[index])
      if tick > horizon then
        redis.call('LTRIM', list, gone, -1)
        counter.first, counter.entries = tick, counter.entries - gone
        save(counter)
        return
      end
      counter.total = subtract(counter.total, amount)
      gone = gone + 1
    end
    if #page < PAGE then error('CALLGATE DAMAGED an entry of a counter is missing') end
  end
end

-- The counter, brought up to now; empty if there is none. `unit` is milliseconds, or a calendar's unit.
local function load(key, unit)
  local counter = {key = key, unit = unit, window = tonumber(unit), total = '0', entries = 0, first = 0, last = 0,
    kept = -1}
  local text = redis.call('GET', storage('c', key))
  if not text then
    local until_ms = redis.call('ZSCORE', ALL, key)
    if until_ms and tonumber(until_ms) > now.tick and not gate.goes_on then error('CALLGATE VANISHED') end
    if not counter.window then counter.first = now.calendar - now.calendar % UNIT_US[unit] end
    return counter
  end
  local stored, total = string.match(text, '^(%w+) ([%d.]+)$', struct.size(NUMBERS_OF) + 1)
  if not stored then error('CALLGATE DAMAGED a counter is not one that callgate writes') end
  if stored ~= unit then error('CALLGATE DAMAGED a counter\'s window is not its limit\'s') end
  counter.total = total
  counter.first, counter.last, counter.entries, counter.kept = struct.unpack(NUMBERS_OF, text)
  expire(counter)
  return counter
end

local function is_empty(counter) return counter.total == '0' end

-- In how many µs `amount` more fits `limit`; nil for a calendar's window, whose end the gate works out.
local function wait_us(counter, limit, amount)
  if not counter.window then return nil end
  local left, at = counter.total, 0
  while at < counter.entries do
    local page = redis.call('LRANGE', storage('e', counter.key), at, at + PAGE - 1)
    for index = 1, #page do
      local tick, gone = entry(page[index])
      left = subtract(left, gone)
      if limit.fits(add(left, amount)) then return (tick + counter.window) * 1000 - now.us end
    end
    if #page == 0 then break end
    at = at + #page
  end
  error('CALLGATE DAMAGED a counter is not the sum of its entries')
end

-- Forget a few counters of `index` that hold nothing any more.
local function prune(index)
  for _, key in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', now.tick, 'LIMIT', 0, 16)) do
    redis.call('DEL', storage('c', key), storage('e', key))
    redis.call('ZREM', index, key)
    redis.call('ZREM', ALL, key)
  end
end

-- Put `amount` on the counter; returns the tick it is put under, and in how many ms that is over.
local function spend(counter, amount)
  local tick = counter.first
  if counter.window then
    local list = storage('e', counter.key)
    tick = math.ceil((now.us + gate.round_up) / 1000)
    if counter.entries >= gate.entries then
      local step = math.max(1, math.floor(counter.window / gate.entries))
      tick = math.ceil(tick / step) * step
    end
    if counter.entries > 0 and tick <= counter.last then
      tick = counter.last
      local last, held = entry(redis.call('LINDEX', list, -1))
      if last ~= tick then error('CALLGATE DAMAGED an entry of a counter is missing') end
      redis.call('LSET', list, -1, whole(tick) .. ' ' .. add(held, amount))
    else
      redis.call('RPUSH', list, whole(tick) .. ' ' .. amount)
      counter.entries = counter.entries + 1
      if counter.entries == 1 then counter.first = tick end
      counter.last = tick
    end
  end
  counter.total = add(counter.total, amount)
  return tick, save(counter)
end

-- The place of `tick` in the list, and what it holds; nil if it is not there.
local function find_entry(counter, wanted)
  local low, high = 0, counter.entries - 1
  while low <= high do
    local middle = math.floor((low + high) / 2)
    local tick, amount = entry(redis.call('LINDEX', storage('e', counter.key), middle))
    if tick == wanted then return middle, amount end
    if tick < wanted then low = middle + 1 else high = middle - 1 end
  end
  return nil
end

local function drop_empty_ends(counter)
  local list = storage('e', counter.key)
  for _, side in ipairs({{-1, 'RPOP', 'last'}, {0, 'LPOP', 'first'}}) do
    while counter.entries > 0 do
      local tick, amount = entry(redis.call('LINDEX', list, side[1]))
      if amount ~= '0' then
        counter[side[3]] = tick
        break
      end
      redis.call(side[2], list)
      counter.entries = counter.entries - 1
    end
  end
end

-- Take `amount` off again, unless it has left the window.
local function give_back(counter, tick, amount)
  if is_empty(counter) then return end
  if not counter.window then
    if tick ~= counter.first then return end
    counter.total = subtract(counter.total, amount)
  else
    local at, held = find_entry(counter, tick)
    if not at then return end
    local rest = subtract(held, amount)
    counter.total = subtract(counter.total, amount)
    redis.call('LSET', storage('e', counter.key), at, whole(tick) .. ' ' .. rest)
    if rest == '0' and not is_empty(counter) then drop_empty_ends(counter) end
  end
  if is_empty(counter) then
    forget(counter)
  else
    save(counter)
  end
end
