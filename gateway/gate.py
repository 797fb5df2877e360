"""The first three steps of every call: who is it, not too fast, and is it a message at all?

Refusals here come before anything is parsed or believed, so a flood must not cost a
transaction a call: they are counted in memory and recorded about once a second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Lock

from sqlalchemy.engine import Connection

from gateway import partners
from gateway.audit.log import Appended, holds
from gateway.errors import Refused, refused
from gateway.ledger import Ledger, LedgerBusy, LedgerUnavailable, Refusal, Transaction
from gateway.partners import Enrolled, Partner, PartnerRefused
from gateway.pki import CertificateRefused, PeerIdentity, identify
from gateway.query import BodyMissing, Call, Caller
from gateway.quota.burst import Admission, BurstExceeded, ConcurrencyExceeded, Limit, Verdict
from gateway.quota.headers import Headers, rate_limit
from gateway.store import Store, StoreUnavailable
from scoregate.audit.v1 import leaf_pb2

STAFF_IN_FLIGHT = 3
"""Calls of one operator or officer at once: a fraction of the admin door's threads, for a revocation must
always find one."""

BUSY_RETRY = timedelta(milliseconds=50)


Known = Mapping[bytes, Enrolled | PartnerRefused]
"""By certificate, in PEM."""

Counts = Counter[tuple[str, str, str]]
"""Calls turned away, by partner, method and reason."""


class Gate:
    """Identifies callers, admits their calls, and counts those it turned away."""

    def __init__(
        self, store: Store, ledger: Ledger, admission: Admission, *, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._admission = admission
        self._clock = clock
        self._lock = Lock()  # guards the counter
        self._turned_away: Counts = Counter()
        self._unsettled: tuple[list[Appended], Counts] | None = None  # touched by the flushing thread alone

    def identify(self, call: Call) -> tuple[Partner, Caller]:
        """Step 1: certificate → Partner, by the registry as it stands now.

        Raises:
            Refused: Certificate unknown, revoked, expired or of the wrong kind; partner
                suspended; method of another role; registry not readable.
        """
        try:
            with self._store.reading() as connection:
                known = self.enrolled(connection, [call.certificate_pem])
        except StoreUnavailable as error:
            raise Refused("AUDIT_UNAVAILABLE") from error
        return self.recognise(call, known)

    def enrolled(self, connection: Connection, pems: Iterable[bytes]) -> Known:
        """Whose these certificates are, by the registry as it stands now; or why they are nobody's."""
        peers: dict[bytes, PeerIdentity] = {}
        known: dict[bytes, Enrolled | PartnerRefused] = {}
        for pem in pems:
            try:
                peers[pem] = identify(pem, now=self._clock())
            except CertificateRefused as error:
                known[pem] = PartnerRefused(error.reason)
        fingerprints = {peer.fingerprint for peer in peers.values()}
        found = partners.enrolled(fingerprints).ask(connection)
        for pem, peer in peers.items():
            enrolled = found.get(peer.fingerprint)
            if enrolled is None:
                known[pem] = PartnerRefused("CERTIFICATE_UNKNOWN")
            elif peer.partner_id != enrolled.partner.partner_id:
                reason = "CERTIFICATE_IDENTITY_INVALID"
                known[pem] = PartnerRefused(reason, enrolled.partner.partner_id)
            else:
                known[pem] = enrolled
        return known

    def recognise(self, call: Call, known: Known) -> tuple[Partner, Caller]:
        """Step 1, by what ``enrolled`` has read.

        Raises:
            Refused: As in ``identify``; the refusal is counted.
        """
        found = known[call.certificate_pem]
        try:
            if isinstance(found, PartnerRefused):
                raise found
            partner = found.require(call.method)
        except PartnerRefused as error:
            raise self._turn_away(error.partner_id, call.method, Refused(error.reason)) from error
        return partner, Caller(partner.partner_id, found.fingerprint, partner.legal_name, call.peer)

    def turn_away(self, certificate_pem: bytes, method: str, *, is_own_crowd: bool) -> Refused:
        """The refusal of a call that found no place: its caller has too many open, or the whole door has.

        Known by its certificate alone, which TLS has verified: a crowd must not cost look-ups.
        """
        try:
            partner_id = identify(certificate_pem, now=self._clock()).partner_id
        except CertificateRefused:
            partner_id = ""
        if is_own_crowd:
            refusal = Refused("CONCURRENCY_EXCEEDED", retry_after=BUSY_RETRY, quota_subject="concurrency")
        else:
            refusal = Refused("SERVER_BUSY", retry_after=BUSY_RETRY)
        return self._turn_away(partner_id, method, refusal)

    @contextmanager
    def admit(self, partner: Partner, method: str) -> Iterator[Verdict]:
        """Step 2 for as long as the block runs.

        Raises:
            Refused: As in ``enter``.
        """
        verdict = self.enter(partner, method)
        try:
            yield verdict
        finally:
            self.leave(partner)

    def enter(self, partner: Partner, method: str) -> Verdict:
        """Step 2: one burst unit, and a place among the partner's calls under way until it leaves.

        Raises:
            Refused: BURST_EXCEEDED or CONCURRENCY_EXCEEDED, with the wait that is enough.
        """
        limit = burst_limit(partner)
        cap = STAFF_IN_FLIGHT if partner.role.is_staff else None
        try:
            return self._admission.enter(partner.partner_id, limit, max_in_flight=cap)
        except BurstExceeded as error:
            wait = timedelta(microseconds=error.verdict.retry_after_us)
            headers = rate_limit(limit, error.verdict, None)
            refusal = Refused(error.reason, retry_after=wait, quota_subject="burst", headers=headers)
            raise self._turn_away(partner.partner_id, method, refusal) from error
        except ConcurrencyExceeded as error:
            refusal = Refused(error.reason, retry_after=BUSY_RETRY, quota_subject="concurrency")
            raise self._turn_away(partner.partner_id, method, refusal) from error

    def leave(self, partner: Partner) -> None:
        """Give a call's place back."""
        self._admission.leave(partner.partner_id)

    @contextmanager
    def recording(self, call: Call, caller: Caller, headers: Headers) -> Iterator[None]:
        """Give whatever is refused inside the block its one entry, before anybody is told.

        ``headers`` go out with the refusal.

        Raises:
            Refused: What the block refused; AUDIT_UNAVAILABLE where that could not be recorded.
        """
        try:
            yield
        except BodyMissing as error:
            # Whether nothing was sent or grpcio refused it can't be told for certain: counted, like a crowd.
            raise self.turn_away_bodiless(call, caller, error) from error
        except Exception as error:
            refusal = refused(error)
            refusal.headers = headers
            if not refusal.recorded:
                self._record(call, caller, refusal)
            if refusal is error:
                raise  # from itself would be a chain without end
            raise refusal from error

    def turn_away_bodiless(self, call: Call, caller: Caller, error: BodyMissing) -> Refused:
        """The refusal of a call that came without a body."""
        return self._turn_away(caller.partner_id, call.method, refused(error))

    def _record(self, call: Call, caller: Caller, refusal: Refused) -> None:
        entry = Refusal(call.method, caller, refusal.code, request_id=refusal.request_id)
        try:
            self._ledger.submit([entry])
        except (LedgerUnavailable, LedgerBusy) as error:
            raise refused(error) from error
        refusal.recorded = True

    def look(self, partner: Partner) -> Verdict:
        """The partner's burst as it stands, spending nothing."""
        return self._admission.look(partner.partner_id, burst_limit(partner))

    def flush(self) -> int:
        """Record what was turned away since the last time; returns how many calls. Called by one thread.

        Counts whose entries can't be written wait for the next flush. Where COMMIT's outcome is unknown, or
        the ledger has begun and not answered, the next flush looks into the log first, so that a refusal is
        counted once.

        Raises:
            LedgerUnavailable, LedgerBusy: Nothing is known to be recorded.
        """
        self._settle()
        with self._lock:
            counts, self._turned_away = self._turned_away, Counter()
        if not counts:
            return 0
        placed: list[Appended] = []
        unbegun = [counts]  # taken by the ledger's thread, or back by this one: by one of them alone

        def record(tx: Transaction) -> None:
            try:
                taken = unbegun.pop()
            except IndexError:  # nobody waited any longer: they are the next flush's
                return
            placed.extend(_record(tx, taken))

        try:
            self._ledger.change(record)
        except Exception:
            try:
                self._put_back(unbegun.pop())
            except IndexError:
                self._unsettled = placed, counts
            raise
        return counts.total()

    def _settle(self) -> None:
        if self._unsettled is None:
            return
        placed, counts = self._unsettled
        # The ledger takes changes in turn: by now the one before has placed its entries, or never will.
        if not self._ledger.change(lambda tx: bool(placed) and holds(tx.connection, placed[0])):
            self._put_back(counts)
        self._unsettled = None

    def _put_back(self, counts: Counts) -> None:
        with self._lock:
            self._turned_away.update(counts)

    def _turn_away(self, partner_id: str, method: str, refusal: Refused) -> Refused:
        with self._lock:
            self._turned_away[partner_id, method, refusal.code] += 1
        refusal.recorded = refusal.is_turned_away = True
        return refusal


def burst_limit(partner: Partner) -> Limit:
    """The contract's burst."""
    return Limit(partner.contract.calls_per_second, partner.contract.burst_calls)


def _record(tx: Transaction, counts: Counts) -> list[Appended]:
    return [
        tx.append(
            leaf_pb2.Leaf(
                kind=leaf_pb2.LEAF_KIND_COUNTED_REFUSALS,
                partner_id=partner_id,
                method=method,
                decision=leaf_pb2.DECISION_REFUSED,
                reason=code,
                count=count,
            )
        )
        for (partner_id, method, code), count in sorted(counts.items())
    ]
