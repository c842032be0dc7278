-- Take one hit on KEYS[1] back, if its window still runs. The time left of it does not change.
-- Returns the hits that remain counted.
local hits = tonumber(redis.call("GET", KEYS[1]) or 0)
if hits > 0 then
  hits = redis.call("DECR", KEYS[1])
end
return hits
