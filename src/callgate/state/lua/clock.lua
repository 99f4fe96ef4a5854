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
-- against its last reading, both have to agree that time has passed; the lesser counts.
--
-- A gate says which store it knows and the latest store time it saw there. Another store, or an earlier time,
-- means that counters are lost. Store time at that moment is kept: what was lost could have counted for another
-- window's length, and for that long nothing is admitted (unless the gates are told to go on).

local FORMAT = '1'
local KEEP_MS = 7 * 86400 * 1000
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
  local f = {}
  for field in string.gmatch(text, '[^ ]+') do f[#f + 1] = field end
  if f[1] ~= FORMAT then error('CALLGATE FORMAT ' .. string.sub(f[1] or '', 1, 16)) end
  local stored = {
    id = f[2], us = tonumber(f[3]), server = tonumber(f[4]), wall = tonumber(f[5]), calendar = tonumber(f[6]),
    boot = f[7], longest = tonumber(f[8]), lost = tonumber(f[9]), lost_calendar = tonumber(f[10]),
    drift = tonumber(f[11]),
  }
  if #f ~= 11 or not (stored.us and stored.server and stored.wall and stored.calendar and stored.longest
      and stored.lost and stored.lost_calendar and stored.drift) then
    error('CALLGATE DAMAGED the clock is not one that callgate writes')
  end
  return stored
end

-- Where store time stands by the gate's own clock, given its best earlier reading; nil for an unknown gate.
local function read_pace()
  local text = redis.call('GET', storage('b', gate.boot))
  if not text then return nil end
  local offset, at = string.match(text, '^(-?%d+) (%d+)$')
  if not offset then error('CALLGATE DAMAGED a gate\'s clock is not one that callgate writes') end
  return tonumber(offset), tonumber(at)
end

-- False if the call is older than its gate would wait for the answer, or a clock was stepped: nothing is done.
local function read_clock()
  local stored, server = read_stored(), server_us()
  local offset, read_at = read_pace()
  if not stored then
    now.id, now.us, now.calendar, now.longest, now.lost, now.lost_calendar = gate.new_id, 0, server, 0, -1, 0
    now.drift = 0
    offset = nil
  else
    local us = stored.us + server - stored.server
    if offset then
      local ahead = offset
      if gate.latency > 0 then ahead = ahead + math.floor(math.max(0, gate.monotonic - read_at) / 1000) end
      local latest = ahead + gate.monotonic + gate.latency
      if us > latest then
        if not gate.in_time then return false end
        us = latest
      end
      if stored.boot == gate.boot then us = math.max(us, offset + gate.monotonic - gate.latency) end
      offset = ahead
    else
      us = stored.us + math.min(server - stored.server, gate.wall - stored.wall)
    end
    now.us = math.max(stored.us, us)
    now.id, now.longest, now.lost, now.lost_calendar = stored.id, stored.longest, stored.lost, stored.lost_calendar
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

  local keep = whole(now.longest + KEEP_MS)
  redis.call('SET', KEYS[1], table.concat({
    FORMAT, now.id, whole(now.us), whole(server), whole(gate.wall), whole(now.calendar), gate.boot,
    whole(now.longest), whole(now.lost), whole(now.lost_calendar), whole(now.drift),
  }, ' '), 'PX', keep)
  local own = now.us - gate.monotonic
  if offset then own = math.min(own, offset) end
  redis.call('SET', storage('b', gate.boot),
    whole(own) .. ' ' .. whole(math.max(gate.monotonic, read_at or 0)), 'PX', keep)
  redis.call('PEXPIRE', PREFIX .. 'all', whole(2 * now.longest + KEEP_MS))
  return true
end
