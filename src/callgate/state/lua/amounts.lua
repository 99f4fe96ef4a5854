-- Exact decimals from 0 up, as text: digits, perhaps a point and more digits. No sign, no exponent, no zeros at
-- the end of a fraction. Lua's numbers are doubles, so nothing here ever holds more than 15 digits in one.

local CHUNK, BASE, CHUNK_FORMAT = 14, 1e14, '%014.0f'

local function whole(number) return string.format('%.0f', number) end

local function is_short(text) return #text <= 15 and not string.find(text, '.', 1, true) end

-- Both as digits of one length, a whole number of chunks; and how many of the digits are behind the point.
local function aligned(left, right)
  local left_int, left_fraction = string.match(left, '^(%d+)%.?(%d*)$')
  local right_int, right_fraction = string.match(right, '^(%d+)%.?(%d*)$')
  if not left_int or not right_int then error('CALLGATE DAMAGED an amount is not a number') end
  local behind = math.max(#left_fraction, #right_fraction)
  left_int = left_int .. left_fraction .. string.rep('0', behind - #left_fraction)
  right_int = right_int .. right_fraction .. string.rep('0', behind - #right_fraction)
  local length = math.ceil(math.max(#left_int, #right_int) / CHUNK) * CHUNK
  return string.rep('0', length - #left_int) .. left_int, string.rep('0', length - #right_int) .. right_int, behind
end

local function tidy(digits, behind)
  local point = #digits - behind
  local before = string.gsub(string.sub(digits, 1, point), '^0+', '')
  local after = string.gsub(string.sub(digits, point + 1), '0+$', '')
  if before == '' then before = '0' end
  return after == '' and before or before .. '.' .. after
end

local function add(left, right)
  if is_short(left) and is_short(right) then return whole(tonumber(left) + tonumber(right)) end
  local a, b, behind = aligned(left, right)
  local chunks, carry = {}, 0
  for at = #a - CHUNK + 1, 1, -CHUNK do
    local sum = tonumber(string.sub(a, at, at + CHUNK - 1)) + tonumber(string.sub(b, at, at + CHUNK - 1)) + carry
    carry = sum >= BASE and 1 or 0
    table.insert(chunks, 1, string.format(CHUNK_FORMAT, sum - carry * BASE))
  end
  return tidy((carry == 1 and '1' or '') .. table.concat(chunks), behind)
end

-- left - right, which must not be negative: stored amounts that would be are not ones written here.
local function subtract(left, right)
  local a, b, behind, borrow
  if is_short(left) and is_short(right) then
    local rest = tonumber(left) - tonumber(right)
    if rest < 0 then error('CALLGATE DAMAGED a counter is not the sum of its entries') end
    return whole(rest)
  end
  a, b, behind = aligned(left, right)
  local chunks
  chunks, borrow = {}, 0
  for at = #a - CHUNK + 1, 1, -CHUNK do
    local rest = tonumber(string.sub(a, at, at + CHUNK - 1)) - tonumber(string.sub(b, at, at + CHUNK - 1)) - borrow
    borrow = rest < 0 and 1 or 0
    table.insert(chunks, 1, string.format(CHUNK_FORMAT, rest + borrow * BASE))
  end
  if borrow == 1 then error('CALLGATE DAMAGED a counter is not the sum of its entries') end
  return tidy(table.concat(chunks), behind)
end

-- -1, 0 or 1 as left is less than, equal to or greater than right.
local function compare(left, right)
  if is_short(left) and is_short(right) then
    local a, b = tonumber(left), tonumber(right)
    return a < b and -1 or a > b and 1 or 0
  end
  local a, b = aligned(left, right)
  for at = 1, #a, CHUNK do
    local x, y = tonumber(string.sub(a, at, at + CHUNK - 1)), tonumber(string.sub(b, at, at + CHUNK - 1))
    if x ~= y then return x < y and -1 or 1 end
  end
  return 0
end
