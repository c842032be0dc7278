-- Count one hit on KEYS[1], whose window lasts ARGV[1] milliseconds from its first hit.
-- Returns the hits in the window and the milliseconds left of it.
local hits = redis.call("INCR", KEYS[1])
local left = redis.call("PTTL", KEYS[1])
if left < 0 then
  redis.call("PEXPIRE", KEYS[1], ARGV[1])
  left = tonumber(ARGV[1])
end
return {hits, left}
