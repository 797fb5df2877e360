"""A witness in a process of its own, over its folder and behind its door, which says whatever came to it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from scoregate.witness.door import Door
from scoregate.witness.request import Submission
from scoregate.witness.witness import Witness
from tests.prove.log.blows import Fate
from tests.prove.log.lives import Ready, Talk, Words
from tests.prove.log.points import Strike


@dataclass(frozen=True, slots=True)
class Submitted:
    """This note has left the log."""

    note: bytes


def guard(talk: Talk, folder: Path, port: int) -> None:
    """Witness until killed; 0 is any port. Told ("strike", Strike)."""
    fate = Fate(lambda name: talk.say(Words(name)))
    witness = Witness.open(folder, clock=lambda: datetime.now(UTC))
    witness.reached = fate.reached
    door = Door(_Telling(witness, talk), "127.0.0.1", port)  # type: ignore[arg-type]  # it is asked no more
    threading.Thread(target=door.serve_forever, args=(0.05,), daemon=True).start()
    talk.say(Ready(door.port))
    while True:
        match talk.told():
            case ("strike", Strike() as strike):
                fate.meet(strike)
        talk.say(Ready())


class _Telling:
    """The witness, for its door."""

    def __init__(self, witness: Witness, talk: Talk) -> None:
        self._witness, self._talk = witness, talk
        self.folder, self.checkpoint, self.tell = witness.folder, witness.checkpoint, witness.tell

    def add_checkpoint(self, data: bytes) -> bytes:
        """As the witness has it."""
        self._talk.say(Submitted(Submission.decode(data).note))
        return self._witness.add_checkpoint(data)
