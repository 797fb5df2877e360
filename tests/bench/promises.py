"""What each key of build/bench.json means, and what is promised of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Promise:
    """One figure's meaning, and its bound if there is one."""

    meaning: str
    least: float | None = None
    most: float | None = None

    def bound(self) -> str:
        """The bound as a table has it."""
        if self.least is not None:
            return f"≥ {self.least:,g}"
        return "" if self.most is None else f"≤ {self.most:,g}"

    def holds(self, figure: float) -> bool:
        """Whether a figure is within it."""
        return not (
            (self.least is not None and figure < self.least) or (self.most is not None and figure > self.most)
        )


PROMISES = {
    "journey_over_aio_echo": Promise(
        "server CPU of an empty grpc.aio echo / of GetScore; 1 would mean free", least=0.8
    ),
    "journey_over_sync_echo": Promise("the same against an empty thread-pool echo", least=0.5),
    "journey_over_fastapi_peer": Promise(
        "server CPU of the straightforward FastAPI service / of GetScore", least=4
    ),
    "throughput_over_fastapi_peer": Promise("answers a second of GetScore / of that service"),
    "batch_scores_per_second": Promise("scores a second in batches, one core", least=8_000),
    "batch_over_unary": Promise("scores a second in batches / one by one", least=4),
    "server_core_busy": Promise("share of its core that the server used under GetScore", least=0.95),
    "postgres_over_sqlite": Promise(
        "server CPU of GetScore on SQLite / on PostgreSQL, whose processes share the core and are counted",
        least=0.7,
    ),
    "postgres_over_sqlite_gateway_alone": Promise("the same without PostgreSQL's own processes"),
    "postgres_over_sqlite_throughput": Promise("answers a second on PostgreSQL / on SQLite"),
    "p99_ms_at_half_load": Promise("p99 of GetScore from its scheduled time, at half of saturation", most=10),
    "p99_ms_of_an_echo": Promise("an empty echo at that load: the machine's and the generator's part of it"),
    "p99_ms_beside_batches": Promise("the same load while another lender keeps one batch under way", most=25),
    "p99_ms_beside_batches_at_a_quarter": Promise("half as many single calls beside the batches"),
    "growth_ratio": Promise(
        "answers a second of GetScore among 1,000,000 consents and log entries / on an empty database",
        least=0.9,
    ),
    "growth_ratio_few": Promise(
        "the same where as few consents are asked for among the million: what size alone costs"
    ),
    "growth_ratio_cpu": Promise("server CPU of GetScore on an empty database / among the million"),
    "two_processes_ratio": Promise(
        "answers a second of two processes on two cores / of one; the generator shares the second core"
    ),
    "pages_p95_ms": Promise(
        "p95 of the slowest of the consumers' pages, of a person with 100,000 log entries and 300 consents",
        most=50,
    ),
    "pages_p95_ms_on_postgres": Promise("the same on PostgreSQL, which shares the server's core", most=50),
    "pages_kb": Promise(
        "what the largest page transfers at a first visit, style sheet and icon included, kB of 1,000",
        most=100,
    ),
    "getscore_beside_pages": Promise(
        "server CPU of GetScore while nobody reads pages / while people do, in a process beside it",
        least=0.95,
    ),
    "getscore_beside_pages_throughput": Promise("answers a second while they read / while nobody does"),
    "getscore_over_before": Promise(
        "server CPU of GetScore at an earlier revision / of GetScore now, in the same rounds", least=0.95
    ),
    "getscore_over_before_throughput": Promise("answers a second of GetScore now / at that revision"),
    "integrate_leaves_per_second": Promise(
        "entries a second that one integrator takes in, signs for and stores, on one core", least=50_000
    ),
    "inclusion_p99_ms": Promise("p99 of an inclusion proof at 1,000,000 entries", most=5),
    "verify_1m_s": Promise("`scoregate log verify` of 1,000,000 entries, all of it, on one core", most=30),
    "verify_1m_mb": Promise("its memory at most", most=300),
    "rss_mb": Promise("the most memory of `scoregate serve` under single queries and batches", most=200),
    "rss_growth_mb": Promise("its growth over 1,000,000 queries, once it was warm", most=10),
    "start_s": Promise("from `scoregate serve` to its first answer", most=3),
    "engine_score_us": Promise("the engine: one score worked out", most=20),
    "engine_batch_row_us": Promise("the engine: one row of a batch worked out", most=3),
    "engine_kept_score_us": Promise("the engine: one score known since the start"),
}
"""By key, in the order of the table."""
