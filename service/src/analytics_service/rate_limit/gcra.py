"""The generic cell rate algorithm: one number per principal says how far its requests are ahead of its rate.

Times are whole microseconds. `Admission` carries what the response headers say; the same arithmetic runs in Redis as
`LUA`, and a test holds the two together.
"""

from typing import Final, NamedTuple

from analytics_service.contract.limit import Limit

MICROSECONDS: Final = 1_000_000


class Admission(NamedTuple):
    admitted: bool
    limit: Limit
    remaining: int
    """Requests that would be admitted right now."""
    reset: int
    """Microseconds until the whole burst is there again."""
    retry_after: int
    """Microseconds until the next request is admitted; 0 when this one was."""


def admit(limit: Limit, *, ahead_until: int, now: int, count: int = 1) -> tuple[Admission, int]:
    """The admission of `count` requests and the new `ahead_until`, which is unchanged when they are not admitted."""
    after = max(ahead_until, now) + limit.interval * count
    wait = after - limit.tolerance - now
    if wait > 0:
        return admission(limit, ahead=max(ahead_until - now, 0), wait=wait), ahead_until
    return admission(limit, ahead=after - now, wait=0), after


def admission(limit: Limit, *, ahead: int, wait: int) -> Admission:
    return Admission(
        admitted=wait == 0,
        limit=limit,
        remaining=max((limit.tolerance - ahead) // limit.interval, 0),
        reset=ahead,
        retry_after=wait,
    )


LUA: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval, tolerance, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local before = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local granted = math.min(wanted, math.floor((tolerance - (before - now)) / interval))
if granted < 1 then
  return {before - now, before + interval - tolerance - now, 0}
end
local after = before + granted * interval
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
return {after - now, 0, granted}
"""
"""Grants up to ARGV[3] requests; returns how far ahead the principal is then, how long to wait, and the number granted.

One clock for all replicas: Redis' own. Microseconds since 1970 are exact in Lua's numbers until the year 2255.
"""
