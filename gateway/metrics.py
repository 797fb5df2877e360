"""Counters for Prometheus. Labels are methods and reasons, never people or partners' own words."""

from __future__ import annotations

from prometheus_client import Counter

CALLS = Counter(
    "scoregate_calls_total",
    "Calls by method and outcome (OK or the refusal's reason).",
    ["method", "outcome"],
)
ITEMS = Counter(
    "scoregate_batch_items_total",
    "Items of batches by outcome (OK or the refusal's reason); their batch counts as one call.",
    ["outcome"],
)
UNWRITABLE = Counter(
    "scoregate_audit_unwritable_total", "Transactions that could not be written; nothing was released."
)
TLS_RELOAD_FAILURES = Counter(
    "scoregate_tls_reload_failures_total", "Certificate reloads that kept the old pair."
)
