"""Two gateway processes over one SQLite ledger, a core each, against one.

There are two cores, so the generator shares the second one in both arms: beside nothing in the first, beside
a gateway in the second. With a core of its own it would show more.
"""

from __future__ import annotations

from contextlib import ExitStack

from gateway.store import open_store
from tests.bench import servers
from tests.bench.contest import Contender, Ground, one_by_one
from tests.bench.figures import ONE, TWO, Findings, quotients
from tests.bench.honesty import Auditor
from tests.bench.load import Connections
from tests.bench.servers import running


def processes(ground: Ground) -> Findings:
    """Both, in the same rounds; half of the lenders call each of the two."""
    made = ground.made
    with ExitStack() as stack:
        store = open_store(made.settings.database.url)
        stack.callback(store.close)
        cores = (ground.server_core, ground.server_core, ground.generator_core)
        alone, first, second = (
            stack.enter_context(running("gateway", servers.gateway, core, made.settings)) for core in cores
        )
        auditor = Auditor(store, made)
        contenders = []
        for name, gateways in ((ONE, [alone]), (TWO, [first, second])):
            connections = stack.enter_context(Connections(gateways, made, "GetScore"))
            contenders.append(Contender(name, one_by_one(connections, made), auditor.require_singles))
        arms = ground.compete(contenders)
    figures = {"two_processes_ratio": quotients(arms[TWO].per_second(), arms[ONE].per_second())}
    notes = {"two processes": "one on each core, the generator on the second beside it; one SQLite ledger"}
    return Findings(arms, figures, notes)
