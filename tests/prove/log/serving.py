"""A whole gateway in a process of its own, one of several over one log."""

from __future__ import annotations

import os
import threading
from collections import Counter
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.audit.tree import integrate
from gateway.audit.tree.steps import Step
from gateway.audit.tree.tables import Tree, log_tree
from gateway.server import Gateway, Seams
from gateway.settings import Settings
from tests.prove.log.lives import Ready, Talk


def serve(talk: Talk, settings: Settings, careless: bool) -> None:
    """Serve until told to ("stop",); then say how often each step was reached."""
    if careless:
        setattr(integrate, "swap", _swap_blindly)  # noqa: B010  # no seam takes a known-broken one
    seen, lock = Counter[Step](), threading.Lock()

    def reached(step: Step) -> None:
        with lock:
            seen[step] += 1

    gateway = Gateway.start(settings, Seams(reached=reached))
    talk.say(Ready((gateway.partner_port, gateway.admin_port, gateway.http_port)))
    talk.told()
    gateway.stop(timedelta(seconds=1))
    talk.say(Ready(dict(seen)))
    os._exit(0)


def _swap_blindly(connection: Connection, before: Tree, after: Tree) -> bool:
    """Without looking at what is there."""
    new = {"size": after.size, "root": after.root, "checkpoint": after.checkpoint}
    connection.execute(sa.update(log_tree).values(new))
    return True
