"""The RateLimit and RateLimit-Policy fields (draft-ietf-httpapi-ratelimit-headers-10). Pure.

They go out as initial metadata, before an answer and before a refusal alike.
"""

from __future__ import annotations

from functools import lru_cache

from gateway.quota.burst import MICROS, Limit, Verdict
from gateway.quota.contract import Usage

DAY_SECONDS, MONTH_SECONDS = 86_400, 2_592_000  # nominal: the true ends are in ListQuotaUsage

Headers = tuple[tuple[str, str], ...]


def rate_limit(limit: Limit, burst: Verdict, usage: Usage | None) -> Headers:
    """Both fields; the contract's part only where its usage is known."""
    state = f'"burst";r={burst.remaining};t={-(-burst.full_after_us // MICROS)}'
    if usage is None:
        return (("ratelimit-policy", _policy(limit)), ("ratelimit", state))
    policy = _policy(limit, usage.contract.daily_units, usage.contract.monthly_units)
    state += f', "day";r={usage.remaining_day}, "month";r={usage.remaining_month}'
    return (("ratelimit-policy", policy), ("ratelimit", state))


@lru_cache(maxsize=1_024)
def _policy(limit: Limit, daily_units: int | None = None, monthly_units: int | None = None) -> str:
    window = max(1, -(-limit.burst_calls // limit.calls_per_second))
    policy = f'"burst";q={limit.burst_calls};w={window}'
    if daily_units is None:
        return policy
    return f'{policy}, "day";q={daily_units};w={DAY_SECONDS}, "month";q={monthly_units};w={MONTH_SECONDS}'
