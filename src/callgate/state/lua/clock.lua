-- Store time: one clock for all gates on this Redis, in µs. It never goes back, and a window must never end early.
--
-- It follows the Redis host's clock, read while the call is carried out, so that calls are as far apart as they
-- truly were, whatever the network did. But that clock may be stepped, and a replica that takes over has another.
-- So every gate's own monotonic clock is a witness: per boot of a gate's machine, the least difference between
-- store time and that clock is kept, and store time may not get ahead of it by more than the time a gate waits
-- for an answer (`latency`) and a thousandth of the time passed (two clocks differ by less). A step forth wins no
-- more than that. A step back stops store time until the next call, or, if this machine's gates made the call
-- before too, costs twice `latency`: windows then last longer.
--
-- A call that reaches beyond the witness is either older than its gate has waited for it (Redis was stopped), or
-- a clock was stepped. The first must not move the clock, so nothing is done and the gate is asked: if it is
-- still there, it says so (`in_time`) and calls again.
--
-- A machine's boot that was never seen has no witness: the Redis host's clock and the gate's wall clock, each
-- against its last reading, both have to agree that time has passed; the lesser counts. Whenever store time may
-- have fallen behind for such a reason, a new age begins, in which every witness has to be heard anew: an old one
-- would let store time catch up, and what was admitted meanwhile would leave its window early.
--
-- A gate says which store it knows and the latest store time it saw there. Another store, or an earlier time,
-- means that counters are lost. Store time at that moment is kept: what was lost could have counted for another
-- window's length, and for that long nothing is admitted (unless the gates are told to go on).

-- The clock's key holds FORMAT, the store's id, the boot of the machine that asked last, and these numbers.
local FORMAT, NAME, NUMBERS = 'CG1', 16, '<ddddddddd'
local KEEP_MS = 8 * 86400 * 1000
local LATEST_US = 4611686018427387

local function storage(kind, name) return PREFIX .. kind .. ':' .. name end

-- What the gate says of itself, and where store time stands once this call has been made.
local gate = {
  boot = ARGV[3], monotonic = tonumber(ARGV[4]), wall = tonumber(ARGV[5]), latency = tonumber(ARGV[6]),
  round_up = tonumber(ARGV[7]), server = ARGV[8], knows = ARGV[9], seen = tonumber(ARGV[10]),
  new_id = ARGV[11], in_time = ARGV[12] == '1', goes_on = ARGV[13] == '1', longest = tonumber(ARGV[14]),
  entries = tonumber(ARGV[15]),
}
local now = {noticed = 0}

local function server_us()
  local us
  if gate.server ~= '' then
    us = tonumber(gate.server)
  else
    local time = redis.call('TIME')
    us = tonumber(time[1]) * 1000000 + tonumber(time[2])
  end
  return math.max(0, math.min(us, LATEST_US))
end

-- As `window.slew`; and the part of the drift that is less than 1 µs, for the next time, as calls come often.
local function slew(stored, elapsed, wall)
  local drift = math.floor((elapsed + stored.drift) / 100)
  local on_time = stored.calendar + elapsed
  return math.max(on_time - drift, math.min(wall, on_time + drift)), (elapsed + stored.drift) % 100
end

local function read_stored()
  local text = redis.call('GET', KEYS[1])
  if not text then return nil end
  if string.sub(text, 1, #FORMAT) ~= FORMAT then error('CALLGATE FORMAT ' .. string.sub(text, 1, 3)) end
  if #text ~= #FORMAT + 2 * NAME + struct.size(NUMBERS) then
    error('CALLGATE DAMAGED the clock is not one that callgate writes')
  end
  local stored = {id = string.sub(text, #FORMAT + 1, #FORMAT + NAME),
    boot = string.sub(text, #FORMAT + NAME + 1, #FORMAT + 2 * NAME)}
  stored.us, stored.server, stored.wall, stored.calendar, stored.longest, stored.lost, stored.lost_calendar,
    stored.drift, stored.age = struct.unpack(NUMBERS, text, #FORMAT + 2 * NAME + 1)
  return stored
end

-- How far store time is ahead of the gate's clock, by the best earlier reading of this age, and when that was
-- written down; nil if there is none.
local function read_witness(age)
  local text = redis.call('GET', storage('b', gate.boot))
  if not text then return nil end
  if #text ~= 24 then error('CALLGATE DAMAGED a gate\'s clock is not one that callgate writes') end
  local offset, at, of_age = struct.unpack('<ddd', text)
  if of_age ~= age then return nil end
  return offset, at
end

-- Where store time stands. Nil if that reaches beyond the witness, and the gate has not said that it is there.
local function advance(stored, server, offset, read_at)
  local passed, same_boot = server - stored.server, stored.boot == gate.boot
  if not offset then
    local agreed = math.min(passed, gate.wall - stored.wall)
    if passed < 0 or agreed < passed - gate.latency then now.age = stored.age + 1 end
    return stored.us + agreed
  end
  local ahead = offset
  -- Where the gate's clock is the only one, there is nothing to make allowance for.
  if gate.latency > 0 then ahead = ahead + math.floor(math.max(0, gate.monotonic - read_at) / 1000) end
  local us, latest = stored.us + passed, ahead + gate.monotonic + gate.latency
  if us > latest then
    if not gate.in_time then return nil end
    us = latest
  end
  if same_boot then return math.max(us, offset + gate.monotonic - gate.latency), ahead end
  if passed < 0 then now.age = stored.age + 1 end
  return us, ahead
end

-- False if the call is older than its gate would wait for the answer, or a clock was stepped: nothing is done.
local function read_clock()
  local stored, server = read_stored(), server_us()
  local offset, read_at
  if not stored then
    now.id, now.us, now.calendar, now.longest, now.lost, now.lost_calendar = gate.new_id, 0, server, 0, -1, 0
    now.drift, now.age = 0, 0
  else
    now.id, now.longest, now.lost, now.lost_calendar = stored.id, stored.longest, stored.lost, stored.lost_calendar
    now.age = stored.age
    offset, read_at = read_witness(stored.age)
    local us, ahead = advance(stored, server, offset, read_at)
    if not us then return false end
    offset = now.age == stored.age and ahead or nil
    now.us = math.max(stored.us, us)
    if gate.knows == stored.id then now.us = math.max(now.us, gate.seen) end
    now.calendar, now.drift = slew(stored, now.us - stored.us, server)
  end
  now.server = server
  local rolled_back = stored and gate.knows == stored.id and stored.us < gate.seen and now.lost < gate.seen
  local replaced = gate.knows ~= '' and gate.knows ~= now.id
  if rolled_back or (replaced and now.lost < 0) then now.lost, now.lost_calendar = now.us, now.calendar end
  if rolled_back or replaced then now.noticed = 1 end
  now.tick = math.floor(now.us / 1000)
  now.longest = math.max(now.longest, gate.longest)

  local keep = now.longest + KEEP_MS
  redis.call('SET', KEYS[1], FORMAT .. now.id .. gate.boot .. struct.pack(NUMBERS, now.us, server, gate.wall,
    now.calendar, now.longest, now.lost, now.lost_calendar, now.drift, now.age), 'PX', keep)
  -- The witness's line goes on by itself: only a better or a much older reading is worth a write.
  local own = now.us - gate.monotonic
  if not offset or own < offset - gate.latency / 100 or gate.monotonic - read_at > 1000000 then
    redis.call('SET', storage('b', gate.boot),
      struct.pack('<ddd', offset and math.min(own, offset) or own, math.max(gate.monotonic, read_at or 0), now.age),
      'PX', keep)
  end
  return true
end
