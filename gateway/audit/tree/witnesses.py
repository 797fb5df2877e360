"""Asks witnesses to cosign a checkpoint: the client's side of C2SP tlog-witness.

A witness cosigns only what grew out of what it cosigned before. One that refuses for another reason than
being behind has seen another log under our name, or ours was rolled back: that is told, and never retried
into silence.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

import httpx
import structlog

from gateway.metrics import WITNESS_REFUSALS
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.cosignature import cosigned_at
from scoregate.tlog.note import Note, NoteInvalid, NoteSignature
from scoregate.tlog.policy import Witness

log = structlog.get_logger()

MOST_PROOF_LINES = 63
MAX_ANSWER_BYTES = 64 * 1024

Prove = Callable[[int, int], Sequence[bytes]]
"""The consistency proof from one size to another."""


class WitnessRefused(Exception):
    """A witness does not cosign: its log is not ours, or it is not there."""


class Witnesses:
    """Those of a policy that have an address. Knows for each which size it cosigned last."""

    def __init__(self, witnesses: Iterable[Witness], *, timeout: float) -> None:
        self._witnesses = [each for each in witnesses if each.url]
        self._timeout = timeout
        self._client = httpx.Client(timeout=timeout)
        self._sizes: dict[str, int] = {}
        self._asked: dict[str, Future[tuple[Checkpoint, NoteSignature]]] = {}
        self._trouble: dict[str, str] = {}
        self._pool = ThreadPoolExecutor(max(1, len(self._witnesses)), thread_name_prefix="witness")

    def close(self) -> None:
        """Ask nobody any more."""
        self._pool.shutdown(cancel_futures=True)
        self._client.close()

    def cosign(self, note: Note, prove: Prove) -> list[NoteSignature]:
        """Ask those that are missing in this checkpoint; return what came in time, each one verified."""
        missing = {
            each.name: each
            for each in self._witnesses
            if not any(line.claims(each.key) for line in note.signatures)
        }
        checkpoint = Checkpoint.decode(note.text)
        for name, witness in missing.items():
            before = self._asked.get(name)
            if before is None or before.done():  # one that is still thinking about the last one is not asked
                self._asked[name] = self._pool.submit(self._ask, witness, checkpoint, note, prove)
        wait([self._asked[name] for name in missing], timeout=self._timeout)
        lines: list[NoteSignature] = []
        for name in missing:
            future = self._asked[name]
            error = future.exception() if future.done() else WitnessRefused("it does not answer in time")
            if error is None and future.result()[0] == checkpoint:
                lines.append(future.result()[1])
            self._tell(name, error)
        return lines

    def _tell(self, name: str, error: BaseException | None) -> None:
        """Count a refusal, and log it once for as long as it stays the same."""
        trouble = "" if error is None else str(error)
        if trouble:
            WITNESS_REFUSALS.labels(name).inc()
        if trouble and trouble != self._trouble.get(name):
            log.error("a witness does not cosign", witness=name, why=trouble)
        self._trouble[name] = trouble

    def _ask(
        self, witness: Witness, checkpoint: Checkpoint, note: Note, prove: Prove
    ) -> tuple[Checkpoint, NoteSignature]:
        old = min(self._sizes.get(witness.name, 0), checkpoint.size)  # it says itself if it has seen more
        answer = self._send(witness, old, checkpoint, note, prove)
        if answer.status_code == httpx.codes.CONFLICT:
            old = _size_in(answer)
            if old > checkpoint.size:
                raise WitnessRefused(
                    f"it has seen {old:,} entries of {checkpoint.origin}, and this log has "
                    f"{checkpoint.size:,}: it was rolled back, or there are two"
                )
            answer = self._send(witness, old, checkpoint, note, prove)
        if answer.status_code != httpx.codes.OK:
            raise WitnessRefused(_said(answer.status_code, checkpoint))
        line = _line(answer.text, witness, note)
        self._sizes[witness.name] = checkpoint.size
        return checkpoint, line

    def _send(
        self, witness: Witness, old: int, checkpoint: Checkpoint, note: Note, prove: Prove
    ) -> httpx.Response:
        hashes = prove(old, checkpoint.size) if 0 < old < checkpoint.size else ()
        lines = [f"old {old}", *(base64.b64encode(each).decode() for each in hashes), "", ""]
        body = "\n".join(lines).encode() + note.encode()
        try:
            with self._client.stream("POST", _submission(witness), content=body) as answer:
                content = b""
                for chunk in answer.iter_bytes():
                    content += chunk
                    if len(content) > MAX_ANSWER_BYTES:
                        raise WitnessRefused("its answer is longer than any cosignature")
                return httpx.Response(answer.status_code, content=content)
        except httpx.HTTPError as error:
            raise WitnessRefused(f"it can't be reached ({type(error).__name__})") from error


def _submission(witness: Witness) -> str:
    return f"{(witness.url or '').rstrip('/')}/add-checkpoint"


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
            return f"it has seen another {checkpoint.origin}: a fork, or a database that was put back"
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
