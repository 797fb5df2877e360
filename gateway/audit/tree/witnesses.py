"""Asks witnesses to cosign a checkpoint: the client's side of C2SP tlog-witness.

A witness cosigns only what grew out of what it cosigned before. One that refuses for another reason than
being behind has seen another log under our name, or ours was rolled back: that is told, and never retried
into silence.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

import httpx
import structlog

from gateway.metrics import WITNESS_REFUSALS
from scoregate.proof.checkpoint import Checkpoint
from scoregate.proof.cosignature import cosigned_at
from scoregate.proof.note import Note, NoteInvalid, NoteSignature
from scoregate.proof.policy import Witness

log = structlog.get_logger()

MOST_PROOF_LINES = 63
MAX_ANSWER_BYTES = 64 * 1024

Prove = Callable[[int, int], Sequence[bytes]]
"""The consistency proof from one size to another."""


class WitnessRefused(Exception):
    """A witness does not cosign: its log is not ours, or it is not there."""


class Witnesses:
    """Those of a policy that have an address. Knows for each which size it cosigned last."""

    def __init__(self, witnesses: Sequence[Witness], *, timeout: float, client: httpx.Client | None = None) -> None:
        self._witnesses = [each for each in witnesses if each.url]
        self._timeout = timeout
        self._client = client or httpx.Client(timeout=timeout)
        self._sizes: dict[str, int] = {}
        self._pool = ThreadPoolExecutor(max(1, len(self._witnesses)), thread_name_prefix="witness")

    @property
    def is_empty(self) -> bool:
        """Whether there is nobody to ask."""
        return not self._witnesses

    def close(self) -> None:
        """Ask nobody any more."""
        self._pool.shutdown(cancel_futures=True)
        self._client.close()

    def cosign(self, checkpoint: Checkpoint, note: Note, prove: Prove) -> list[NoteSignature]:
        """Return the cosignatures that came in time, each verified."""
        asked = {self._pool.submit(self._ask, each, checkpoint, note, prove): each for each in self._witnesses}
        done, late = wait(asked, timeout=2 * self._timeout)
        lines: list[NoteSignature] = []
        for future in done:
            try:
                lines.append(future.result())
            except WitnessRefused as error:
                WITNESS_REFUSALS.labels(asked[future].name).inc()
                log.error("a witness does not cosign", witness=asked[future].name, why=str(error))
        for future in late:
            WITNESS_REFUSALS.labels(asked[future].name).inc()
            log.warning("a witness does not answer", witness=asked[future].name)
        return lines

    def _ask(self, witness: Witness, checkpoint: Checkpoint, note: Note, prove: Prove) -> NoteSignature:
        old = self._sizes.get(witness.name, 0)
        answer = self._send(witness, old, checkpoint, note, prove)
        if answer.status_code == httpx.codes.CONFLICT:
            old = _size_in(answer)
            if old > checkpoint.size:
                raise WitnessRefused(
                    f"it has seen {old:,} entries of {checkpoint.origin}, and this log has {checkpoint.size:,}: one of "
                    "them was rolled back"
                )
            answer = self._send(witness, old, checkpoint, note, prove)
        if answer.status_code != httpx.codes.OK:
            raise WitnessRefused(_said(answer.status_code, checkpoint))
        line = _line(answer.text, witness, note)
        self._sizes[witness.name] = checkpoint.size
        return line

    def _send(
        self, witness: Witness, old: int, checkpoint: Checkpoint, note: Note, prove: Prove
    ) -> httpx.Response:
        hashes = prove(old, checkpoint.size) if 0 < old < checkpoint.size else ()
        lines = [f"old {old}", *(base64.b64encode(each).decode() for each in hashes), "", ""]
        body = "\n".join(lines).encode() + note.encode()
        try:
            with self._client.stream("POST", f"{witness.url.rstrip('/')}/add-checkpoint", content=body) as answer:
                content = b""
                for chunk in answer.iter_bytes():
                    content += chunk
                    if len(content) > MAX_ANSWER_BYTES:
                        raise WitnessRefused("its answer is longer than any cosignature")
                return httpx.Response(answer.status_code, content=content)
        except httpx.HTTPError as error:
            raise WitnessRefused(f"it can't be reached ({type(error).__name__})") from error


def _size_in(answer: httpx.Response) -> int:
    digits = answer.text.removesuffix("\n")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 19):
        raise WitnessRefused("it names no size in its 409")
    return int(digits)


def _said(status: int, checkpoint: Checkpoint) -> str:
    match status:
        case 403:
            return f"it does not know the key of {checkpoint.origin}: give it the log's verifier key"
        case 404:
            return f"it does not know {checkpoint.origin}: give it the log's name and verifier key"
        case 422:
            return f"it has seen another {checkpoint.origin} than this one: a fork, or a database that was put back"
    return f"it answered {status}"


def _line(text: str, witness: Witness, note: Note) -> NoteSignature:
    """The witness's own line in its answer, once it verifies."""
    try:
        cosigned = Note.decode(note.encode() + text.encode())
        if cosigned_at(cosigned, witness.key) is None:
            raise WitnessRefused("its answer holds no cosignature of the key that the policy names")
    except NoteInvalid as error:
        raise WitnessRefused("its cosignature does not verify") from error
    return next(
        line
        for line in cosigned.signatures
        if (line.name, line.key_id) == (witness.key.name, witness.key.key_id)
    )
