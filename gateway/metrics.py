"""Counters for Prometheus. Labels are methods and reasons, never people or partners' own words."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

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
LOG_PUBLISHED = Gauge(
    "scoregate_log_published_entries", "Entries that the log's published checkpoint covers."
)
LOG_STALLED = Counter(
    "scoregate_log_stalled_total",
    "Times that the log could not be extended or published.",
)
WITNESS_REFUSALS = Counter(
    "scoregate_witness_refusals_total",
    "Checkpoints that a witness did not cosign, or not in time.",
    ["witness"],
)
STATEMENTS_CONTRADICTED = Counter(
    "scoregate_statements_contradicted_total",
    "Statements that were not signed, since the log and the quota counters differ.",
)
