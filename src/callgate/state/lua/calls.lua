-- What a gate asks. Reads everything it needs before the first charge is written: all of a call, or nothing.
-- The rules are those of `admission.py`, in the same order.

local argument = 15

local function take()
  argument = argument + 1
  return ARGV[argument]
end

local function reply(kind, ...)
  return {kind, now.us, now.id, now.noticed, now.calendar, now.server, ...}
end

-- For how many µs what was lost with an earlier state of this store may still count; nil for no time at all.
local function lost_for(unit)
  if now.lost < 0 or gate.goes_on then return nil end
  if UNIT_US[unit] then
    local start = now.calendar - now.calendar % UNIT_US[unit]
    if start <= now.lost_calendar then return start + UNIT_US[unit] - now.calendar end
    return nil
  end
  local left = now.lost + tonumber(unit) * 1000 - now.us
  return left > 0 and left or nil
end

local TESTS = {
  lt = function(order) return order < 0 end, lte = function(order) return order <= 0 end,
  gt = function(order) return order > 0 end, gte = function(order) return order >= 0 end,
  eq = function(order) return order == 0 end, neq = function(order) return order ~= 0 end,
}

local function holds(op, used, values)
  if op == 'yes' or op == 'no' then return op == 'yes' end
  if TESTS[op] then return TESTS[op](compare(used, values[1])) end
  for _, value in ipairs(values) do
    if compare(used, value) == 0 then return op == 'in' end
  end
  return op == 'not_in'
end

local function call(only_check)
  local id, counters = take(), {}
  local function counter_of(key, unit)
    counters[key] = counters[key] or load(key, unit)
    if counters[key].unit ~= unit then error('CALLGATE DAMAGED a counter\'s window is not its limit\'s') end
    return counters[key]
  end

  for index = 1, tonumber(take()) do
    local key, unit, op, values = take(), take(), take(), {}
    for at = 1, tonumber(take()) do values[at] = take() end
    local lost = lost_for(unit)
    if lost and op ~= 'yes' and op ~= 'no' then return reply('lost', lost) end
    local used = counter_of(key, unit).total
    if not holds(op, used, values) then return reply('guard', index, used) end
  end

  local order, wanted_of, opened, waits = {}, {}, {}, {}
  for index = 1, tonumber(take()) do
    local key, unit, limit_key, amount = take(), take(), take(), take()
    local maximum, strict, max_counters = take(), take() == '1', tonumber(take())
    local limit = {fits = function(total)
      if maximum == '' then return true end
      return compare(total, maximum) < (strict and 0 or 1)
    end}
    local lost = maximum ~= '' and amount ~= '0' and lost_for(unit)
    if lost then return reply('lost', lost) end
    local counter = counter_of(key, unit)
    counter.limit = limit_key
    local used = counter.total
    if amount == 'above' then return reply('never', index, used) end
    if amount == 'odd' then return reply('odd') end
    local wanted = wanted_of[key] and add(wanted_of[key], amount) or amount
    if not limit.fits(add(used, wanted)) then
      if is_empty(counter) or not limit.fits(wanted) then return reply('never', index, used) end
      local wait = wait_us(counter, limit, wanted)
      table.insert(waits, index)
      table.insert(waits, used)
      table.insert(waits, wait or counter.first)
    end
    if wanted_of[key] then
      wanted_of[key] = wanted
    elseif amount ~= '0' then
      order[#order + 1], wanted_of[key] = counter, wanted
      if is_empty(counter) then
        opened[limit_key] = (opened[limit_key] or 0) + 1
        local live = redis.call('ZCOUNT', storage('i', limit_key), '(' .. whole(now.tick), '+inf')
        if live + opened[limit_key] > max_counters then return reply('crowded', index, used) end
      end
    end
  end
  if #waits > 0 then return reply('wait', unpack(waits)) end
  if only_check or #order == 0 then return reply('ok') end

  for limit_key in pairs(opened) do prune(storage('i', limit_key)) end
  if next(opened) then prune(ALL) end
  local lines, longest = {}, 0
  for _, counter in ipairs(order) do
    local tick, left = spend(counter, wanted_of[counter.key])
    longest = math.max(longest, left)
    lines[#lines + 1] = {counter.key, counter.unit, counter.limit, tick, wanted_of[counter.key]}
  end
  redis.call('SET', storage('r', id), cmsgpack.pack(lines), 'PX', longest + 1000)
  return reply('ok')
end

local function refund()
  local name = storage('r', take())
  local text = redis.call('GET', name)
  if text then
    redis.call('DEL', name)
    for _, line in ipairs(cmsgpack.unpack(text)) do
      local counter = load(line[1], line[2])
      counter.limit = line[3]
      give_back(counter, line[4], line[5])
    end
  end
  return reply('ok')
end

local function used()
  local counter = load(take(), take())
  if is_empty(counter) then return reply('used', '0', 0) end
  local left = counter.window and (counter.last + counter.window) * 1000 - now.us
  return reply('used', counter.total, left or counter.first)
end

if not read_clock() then return {'late'} end
if ARGV[1] == 'reserve' then return call(false) end
if ARGV[1] == 'check' then return call(true) end
if ARGV[1] == 'refund' then return refund() end
return used()
