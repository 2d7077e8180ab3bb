"""Sketches as rows, which merge by SUM and MAX, and the error of their estimates. Pure.

Latency: a histogram with bins that grow by GAMMA. A value v in microseconds lies in bin ceil(log(v) / log(GAMMA)), zero
in a bin of its own, and a bin stands for 2 * GAMMA^bin / (GAMMA + 1), which is at most LATENCY_ERROR from each of its
values (Masson, Rim, Lee: DDSketch, PVLDB 12, 2019).

Users: HyperLogLog with 2^12 registers over the bits of sha256; a register keeps the most leading zeros, plus one, that
it saw. Estimated as Ertl does (New cardinality estimation algorithms for HyperLogLog sketches, arXiv:1702.01284,
algorithm 6), which needs no correction by tables for small or middle numbers.
"""

import math
from collections.abc import Mapping
from typing import Final

GAMMA: Final = 1.04
ZERO_BIN: Final = -1
LATENCY_ERROR: Final = 0.02
"""Relative, of a percentile; (GAMMA - 1) / (GAMMA + 1), rounded up."""

REGISTERS: Final = 4096
_RANK_BITS: Final = 64
USERS_ERROR: Final = 0.01625
"""Relative standard error of a number of users: 1.04 / sqrt(REGISTERS)."""


def bin_of(value: str) -> str:
    """SQL: the bin of a bigint that is not negative."""
    logarithm = f"ceil(ln({value}::double precision) / ln({GAMMA}::double precision))"
    return f"CASE WHEN {value} = 0 THEN {ZERO_BIN} ELSE {logarithm} END::smallint"


def value_of(bin_: str) -> str:
    """SQL: the value that a bin stands for, in whole microseconds as numeric; NULL stays NULL."""
    middle = f"round(2 * power({GAMMA}::double precision, {bin_}) / {GAMMA + 1})"
    return f"CASE WHEN {bin_} = {ZERO_BIN} THEN 0 ELSE {middle} END::numeric"


def edges_of(bin_: int) -> tuple[float, float]:
    """The microseconds that a bin is for: above the first, which is 0 in the bin of zero, and up to the second."""
    return (0, 0) if bin_ == ZERO_BIN else (math.pow(GAMMA, bin_ - 1), math.pow(GAMMA, bin_))


def hash_of(text: str) -> str:
    """SQL: the bits of a text; NULL of NULL."""
    return f"sha256(convert_to({text}, 'UTF8'))"


def register_of(hash_: str) -> str:
    """SQL: the number of the register, from the first 12 bits."""
    return f"((get_byte({hash_}, 0) << 4) | (get_byte({hash_}, 1) >> 4))::smallint"


def rank_of(hash_: str) -> str:
    """SQL: one more than the leading zeros of 64 further bits."""
    bits = f"('x' || encode(substring({hash_} FROM 3 FOR 8), 'hex'))::bit(64)::text"
    return f"({_RANK_BITS + 1} - length(ltrim({bits}, '0')))::smallint"


def users(registers: Mapping[int, int]) -> int:
    """The number of users, from the number of registers of each rank; those that are left out saw nobody."""
    untouched = REGISTERS - sum(registers.values())
    if untouched == REGISTERS:
        return 0
    z = REGISTERS * _tau((REGISTERS - registers.get(_RANK_BITS + 1, 0)) / REGISTERS)
    for rank in range(_RANK_BITS, 0, -1):
        z = (z + registers.get(rank, 0)) / 2
    z += REGISTERS * _sigma(untouched / REGISTERS)
    return round(REGISTERS**2 / (2 * math.log(2)) / z)


def _sigma(x: float) -> float:
    """Is x + sum over k of x^(2^k) * 2^(k - 1), for x below 1."""
    total, power, last = x, 1.0, -1.0
    while total != last:
        x, last = x * x, total
        total += x * power
        power *= 2
    return total


def _tau(x: float) -> float:
    """Is (1 - x - sum over k of (1 - x^(2^-k))^2 * 2^-k) / 3."""
    if x in {0.0, 1.0}:
        return 0.0
    total, power, last = 1 - x, 1.0, -1.0
    while total != last:
        x, last = math.sqrt(x), total
        power /= 2
        total -= (1 - x) ** 2 * power
    return total / 3
