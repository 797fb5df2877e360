"""The client that verifies.

    with Client("gateway.example:8443", certificate="acme.pem", key="acme.key", server_ca="ca.pem",
                jwks="issuer.jwks", issuer="https://scoregate.example") as client:
        answer = client.score(consent_id, Purpose.CREDIT_APPLICATION)
        answer.save("receipts")
        client.keep(answer, "receipts")  # with log="the log's vkey": the proof that it is in the log, too

Every answer is verified before it is returned (`scoregate.proof.verify`), and there is no way to turn
that off. Whatever a gateway or the network does, what is raised is of the one family in
`scoregate.errors`; TypeError and ValueError are left for arguments that no message can hold.

grpc-core writes lines of its own to stderr, such as a failed handshake's; a program that wants none sets
GRPC_VERBOSITY=NONE in its environment before it imports this module.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scoregate.client import identity, keeping, statements
from scoregate.client.answers import (
    Answer,
    Receipt,
    ScoreAnswer,
    ScoreQuery,
    ThresholdAnswer,
    new_nonce,
    new_request_id,
)
from scoregate.client.arguments import require_consent, span
from scoregate.client.connection import Clock, Connection, Reply
from scoregate.client.consents import (
    Consent,
    ConsentEvent,
    ConsentState,
    Frequency,
    Identity,
    Invitation,
    InvitationState,
    Terms,
    Usage,
    place_of,
    require_identity,
)
from scoregate.client.returning import returned
from scoregate.client.trust import PublishedKeys, Trust, published_keys
from scoregate.errors import BindingMismatch, ClientMisconfigured, Refused
from scoregate.partner.v1 import (
    consent_pb2,
    consent_pb2_grpc,
    score_pb2,
    score_pb2_grpc,
    usage_pb2,
    usage_pb2_grpc,
)
from scoregate.proof.jwk import VerificationKeys
from scoregate.words import Disclosure, Purpose

__all__ = [
    "Client",
    "Clock",
    "Consent",
    "ConsentEvent",
    "ConsentState",
    "Frequency",
    "Identity",
    "Invitation",
    "InvitationState",
    "PublishedKeys",
    "Receipt",
    "ScoreAnswer",
    "ScoreQuery",
    "Terms",
    "ThresholdAnswer",
    "Usage",
    "returned",
]

DEFAULT_TIMEOUT = timedelta(seconds=10)
DEFAULT_BATCH = 100
MAX_BATCH = 1_000  # the contract's own bound

REAL_CLOCK = Clock()
NO_KEYS = (
    "jwks: pin the issuer's JWK Set, as text or as a path, obtained over a channel that you trust; "
    "or call Client.trusting_first_use to trust what this gateway serves now"
)
NO_ISSUER = (
    "issuer: name who must have signed the answers, as the operator told you, such as "
    '"https://scoregate.example"'
)

NO_LOG = (
    'log: pin the log\'s vkey, such as log="scoregate.example/log/2026h2+1a2b3c4d+A…", or a policy file, '
    'log=Path("policy"), which names its witnesses too; obtain it over a channel that you trust'
)


class Client:
    """A partner's view of one gateway. Safe to share between threads; close it when done.

    Args:
        target: The gateway's "host:port".
        certificate: The enrolled client certificate in PEM: content, or path.
        key: Its private key in PEM: content, or path.
        server_ca: The authority of the gateway's own certificate in PEM: content, or path.
        jwks: The issuer's pinned JWK Set: text, or path.
        log: The pinned vkey of the log, and of each witness that must have cosigned, split by spaces; or the
            Path of a policy file (C2SP tlog-policy). Only `keep` and `statement` need it.
        issuer: The expected `iss` of attestations.
        partner_id: The expected `aud`. Default: the last segment of the certificate's SPIFFE URI.
        timeout: For each call with all its retries, unless the call names another.
        clock: Where time, pauses and jitter come from.

    Attributes:
        jwks: The trusted JWK Set.
        partner_id: The expected `aud`.

    Raises:
        ClientMisconfigured: Something is missing, unreadable, or does not belong together.
        KeysInvalid: The JWK Set cannot be trusted.
    """

    def __init__(
        self,
        target: str,
        *,
        certificate: identity.Pem,
        key: identity.Pem,
        server_ca: identity.Pem,
        issuer: str,
        jwks: str | Path | None = None,
        log: str | Path | None = None,
        partner_id: str | None = None,
        timeout: timedelta = DEFAULT_TIMEOUT,
        clock: Clock = REAL_CLOCK,
    ) -> None:
        if jwks is None:
            raise ClientMisconfigured(NO_KEYS)
        if not issuer:
            raise ClientMisconfigured(NO_ISSUER)
        self.jwks = identity.jwks_text(jwks)
        self._policy = None if log is None else identity.policy(log)
        self.partner_id = partner_id or identity.partner_id(certificate)
        self._trust = Trust(VerificationKeys.from_jwks(self.jwks), issuer, self.partner_id, clock.now)
        credentials = identity.credentials(certificate, key, server_ca)
        self._connection = Connection(target, credentials, timeout=timeout, clock=clock)
        channel = self._connection.channel
        self._consents = consent_pb2_grpc.ConsentServiceStub(channel)  # type: ignore[no-untyped-call]
        self._scores = score_pb2_grpc.ScoreServiceStub(channel)  # type: ignore[no-untyped-call]
        self._usage = usage_pb2_grpc.UsageServiceStub(channel)  # type: ignore[no-untyped-call]

    @classmethod
    def trusting_first_use(
        cls,
        target: str,
        *,
        certificate: identity.Pem,
        key: identity.Pem,
        server_ca: identity.Pem,
        issuer: str | None = None,
        log: str | Path | None = None,
        partner_id: str | None = None,
        timeout: timedelta = DEFAULT_TIMEOUT,
        clock: Clock = REAL_CLOCK,
    ) -> Self:
        """Return a client that trusts the keys which the gateway serves at this moment.

        This is a choice with a price: whoever runs or has broken into the gateway now can name keys of
        their own, and every later check holds only against them. Write `client.jwks` to a file,
        compare it with the issuer over another channel, and pin it from then on.

        Arguments and errors are those of `Client`; `issuer` defaults to the gateway's own word. Also raises
        Refused when the gateway does not answer.
        """
        credentials = identity.credentials(certificate, key, server_ca)
        connection = Connection(target, credentials, timeout=timeout, clock=clock)
        try:
            published = published_keys(connection)
        finally:
            connection.close()
        # What a gateway sends is keys or nothing; above all it is never taken for a path of ours.
        VerificationKeys.from_jwks(published.jwks)
        return cls(
            target,
            certificate=certificate,
            key=key,
            server_ca=server_ca,
            issuer=published.issuer if issuer is None else issuer,
            jwks=published.jwks,
            log=log,
            partner_id=partner_id,
            timeout=timeout,
            clock=clock,
        )

    def close(self) -> None:
        """Close the connection; calls under way end as Unavailable."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def invite(
        self,
        terms: Terms,
        *,
        partner_reference: str = "",
        decide_within: timedelta | None = None,
        return_address: str = "",
        return_state: str = "",
        identity: Identity | None = None,
        request_id: str | None = None,
        timeout: timedelta | None = None,
    ) -> Invitation:
        """Invite one person to consent; hand them the invitation's `url`, or its QR code.

        Args:
            terms: What the person is asked to agree to.
            partner_reference: Your own opaque reference, at most 64 characters. No personal data, please.
            decide_within: How long they have, 60 seconds to 30 days. Default: the gateway's 7 days.
            return_address: Where they may go back to after deciding: one of your contract's, to the letter.
                Default: nowhere.
            return_state: What comes back with them, 8 to 128 characters of base64url that nobody can guess,
                such as `secrets.token_urlsafe()`, kept in their session: `returned` compares it. Needed with
                a return address, and refused without.
            identity: Whom you expect. Anybody else who asks to read it ends it as IDENTITY_MISMATCH.
                Default: whoever has the link may decide.
            request_id: A UUID; the same one again brings the same invitation. Default: a random one.
            timeout: For this call. Default: the client's.

        Raises:
            Refused: The gateway said no.
            ClientMisconfigured: An argument is of another type; the message names it.
        """
        request = consent_pb2.CreateConsentInvitationRequest(
            request_id=(request_id or new_request_id()).lower(),
            terms=terms.message(),
            partner_reference=partner_reference,
            decide_within=None if decide_within is None else span("decide_within", decide_within),
            return_address=return_address,
            return_state=return_state,
            identity=None if identity is None else require_identity(identity).message(),
        )
        reply = self._connection.call(
            self._consents.CreateConsentInvitation, request, timeout=timeout, request_id=request.request_id
        )
        return Invitation.of(reply.message.invitation, reply.message.qr_svg)

    def invitation(self, handle: str) -> Invitation:
        """Return an invitation of this partner as it stands now.

        Raises:
            Refused: NotFound when there is none of this name; or as any call.
        """
        request = consent_pb2.GetConsentInvitationRequest(handle=handle)
        return Invitation.of(
            self._connection.call(self._consents.GetConsentInvitation, request).message.invitation
        )

    def consent(self, consent_id: str) -> Consent:
        """Return a consent of this partner as it stands now.

        Raises:
            Refused: NotFound when there is none of this name; or as any call.
        """
        request = consent_pb2.GetConsentRequest(consent_id=require_consent(consent_id))
        return Consent.of(self._connection.call(self._consents.GetConsent, request).message.consent)

    def events(self, start_index: int = 0, *, after: str = "") -> Iterator[ConsentEvent]:
        """Iterate over what happened to this partner's consents, in the order of the log, page by page.

        To follow them, keep the `cursor` of each event once it is dealt with, and begin next time `after` the
        last one's: nothing is lost and nothing comes twice, wherever you stopped. A freeze is one event of
        each open consent, all with the same `log_index`, so the index alone does not say where that was.

        Args:
            start_index: The log index to begin at, for who has no cursor.
            after: An event's cursor; those behind it come. `start_index` is not looked at.

        Raises:
            Refused: As any call, at the page that it met.
            ClientMisconfigured: `after` is no event's cursor.
        """
        place = place_of(after) if after else (start_index, "")
        return (event for event in self._events(place[0]) if (event.log_index, event.consent_id) > place)

    def _events(self, start_index: int) -> Iterator[ConsentEvent]:
        token = ""
        while True:
            request = consent_pb2.ListConsentEventsRequest(start_index=start_index, page_token=token)
            page = self._connection.call(self._consents.ListConsentEvents, request).message
            yield from map(ConsentEvent.of, page.events)
            token = page.next_page_token
            if not token:
                return

    def relinquish(self, consent_id: str) -> Consent:
        """Give up a consent that is no longer needed, for good, and return it as it stands now.

        One that has ended already is left as it is, so a repeat changes nothing.

        Raises:
            Refused: NotFound when there is none of this name; or as any call.
        """
        request = consent_pb2.RelinquishConsentRequest(consent_id=require_consent(consent_id))
        return Consent.of(self._connection.call(self._consents.RelinquishConsent, request).message.consent)

    def consents(self) -> Iterator[Consent]:
        """Iterate over this partner's consents, oldest first, page by page.

        Raises:
            Refused: As any call, at the page that it met.
        """
        token = ""
        while True:
            request = consent_pb2.ListConsentsRequest(page_token=token)
            page = self._connection.call(self._consents.ListConsents, request).message
            yield from map(Consent.of, page.consents)
            token = page.next_page_token
            if not token:
                return

    def score(
        self,
        consent_id: str,
        purpose: Purpose | str,
        disclosure: Disclosure | str = Disclosure.SCORE,
        *,
        with_reasons: bool = False,
        subject_ref: str | None = None,
        request_id: str | None = None,
        nonce: str | None = None,
        timeout: timedelta | None = None,
    ) -> ScoreAnswer:
        """Ask for one score and return the verified answer.

        Args:
            consent_id: The consent to use.
            purpose: The purpose that the person agreed to.
            disclosure: SCORE or BAND.
            with_reasons: Whether to ask for reasons too.
            subject_ref: Who you believe this is; another person's consent is then refused.
            request_id: A UUID. With the nonce of the first call, it brings the first answer again.
            nonce: 16 to 128 characters of base64url. Default: random.
            timeout: For this call with all its retries. Default: the client's.

        Raises:
            Refused: The gateway said no. The error carries request id and nonce for a repeat.
            VerificationFailed: An answer came and must not be used. It carries them too, so that the
                answer can be asked for again once the cause is mended.
            ClientMisconfigured: The consent id is None: the invitation has not been allowed.
        """
        query = ScoreQuery(
            consent_id=consent_id,
            purpose=purpose,
            disclosure=disclosure,
            with_reasons=with_reasons,
            subject_ref=subject_ref or "",
            request_id=request_id or new_request_id(),
            nonce=nonce or new_nonce(),
        )
        request = query.message()
        reply = self._ask(self._scores.GetScore, request, timeout)
        return self._trust.score(reply.message, request, replayed=reply.replayed)

    def reaches(
        self,
        consent_id: str,
        purpose: Purpose | str,
        threshold: int,
        *,
        subject_ref: str | None = None,
        request_id: str | None = None,
        nonce: str | None = None,
        timeout: timedelta | None = None,
    ) -> ThresholdAnswer:
        """Ask whether a score reaches a registered threshold, and return the verified answer.

        Arguments and errors are those of `score`; `threshold` is a multiple of 50.
        """
        request = score_pb2.CheckThresholdRequest(
            request_id=(request_id or new_request_id()).lower(),
            consent_id=require_consent(consent_id),
            subject_ref=subject_ref or "",
            purpose=Purpose.read(purpose).number,
            threshold=threshold,
            nonce=nonce or new_nonce(),
        )
        reply = self._ask(self._scores.CheckThreshold, request, timeout)
        return self._trust.threshold(reply.message, request, replayed=reply.replayed)

    def scores(
        self,
        queries: Iterable[ScoreQuery],
        *,
        progress: Callable[[int], object] | None = None,
        batch_size: int = DEFAULT_BATCH,
        timeout: timedelta | None = None,
    ) -> Iterator[ScoreAnswer | Refused]:
        """Ask many questions in batches; yields one outcome for each, in order, refusals included.

        Keep the queries: each carries its request id and nonce, so after an error the same objects can be
        asked again, and what was answered already costs nothing.

        Args:
            queries: The questions; read as the batches go.
            progress: Called after each batch with the number of outcomes so far.
            batch_size: 1 to 1,000.
            timeout: For each batch with all its retries. Default: the client's.

        Raises:
            Refused: A whole batch was refused.
            VerificationFailed: An answer came and must not be used; those before it were yielded.
            ClientMisconfigured: A batch size outside its bounds.
        """
        if not 1 <= batch_size <= MAX_BATCH:
            raise ClientMisconfigured(f"batch_size: 1 to {MAX_BATCH}")
        return self._batches(iter(queries), progress, batch_size, timeout)

    def keep(self, answer: Answer, folder: Path | str, *, timeout: timedelta | None = None) -> Path:
        """File an answer with the proof that its entry is in the log, and return the file's path.

        It is the file of `answer.save`, completed: `scoregate verify FILE` then checks the whole chain, from
        the attestation to the witnesses, without any server. An entry is published a second or two after its
        answer, and witnesses cosign a little later: it is asked for until then, or until the deadline. Kept
        before, it costs no call.

        Args:
            answer: An answer of this log, however old.
            folder: Where receipts lie.
            timeout: For all of it. Default: the client's.

        Raises:
            ClientMisconfigured: The client pins no key of the log.
            Refused: As any call; NotFound when the entry is not this partner's.
            QuorumMissing: Too few witnesses had cosigned at the deadline; keep it again later.
            LogError: What came is no proof of this entry: do not take the answer for logged.
            ReceiptConflict: Another receipt lies there under this index.
            OSError: The disk refuses.
        """
        if self._policy is None:
            raise ClientMisconfigured(NO_LOG)
        deadline = self._connection.deadline(timeout)
        return keeping.keep(answer, Path(folder), self._connection, self._policy, deadline)

    def usage(self) -> tuple[Usage, ...]:
        """Return every limit of this partner with its use now.

        Raises:
            Refused: As any call.
        """
        reply = self._connection.call(self._usage.ListQuotaUsage, usage_pb2.ListQuotaUsageRequest())
        return tuple(map(Usage.of, reply.message.usages))

    def statement(
        self,
        month: str,
        folder: Path | str,
        *,
        receipts: Path | str | None = None,
        timeout: timedelta | None = None,
    ) -> Path:
        """Fetch a month's signed statement with this partner's own entries, recompute it, and file it.

        `scoregate statement verify FILE` does the same with the file, offline. A month that still runs has a
        provisional statement, which a later one replaces.

        Args:
            month: As YYYY-MM, in the contract's time zone.
            folder: Where statements lie; the file is MONTH.statement. If that of the month before is there,
                this one must go on from it.
            receipts: Where answers were filed; each one of that month must be among the entries.
            timeout: For each call with all its retries. Default: the client's.

        Raises:
            ClientMisconfigured: The client pins no key of the log.
            Refused: As any call; InvalidRequest for a month that has no statement.
            VerificationFailed, LogError: It does not hold. What came is kept as MONTH.statement.refused.
            OSError: The disk refuses.
        """
        if self._policy is None:
            raise ClientMisconfigured(NO_LOG)
        path, _ = statements.fetch(
            self._connection,
            month,
            Path(folder),
            keys=self._trust.keys,
            policy=self._policy,
            issuer=self._trust.issuer,
            partner_id=self.partner_id,
            receipts=None if receipts is None else Path(receipts),
            timeout=timeout,
        )
        return path

    def keys(self) -> PublishedKeys:
        """Return the keys that the gateway serves now; this client goes on trusting its own.

        Raises:
            Refused: As any call.
        """
        return published_keys(self._connection)

    def _batches(
        self,
        queries: Iterator[ScoreQuery],
        progress: Callable[[int], object] | None,
        batch_size: int,
        timeout: timedelta | None,
    ) -> Iterator[ScoreAnswer | Refused]:
        done = 0
        while items := [query.message() for query in islice(queries, batch_size)]:
            request = score_pb2.BatchGetScoresRequest(items=items)
            results = self._connection.call(
                self._scores.BatchGetScores, request, timeout=timeout
            ).message.results
            if [result.request_id for result in results] != [item.request_id for item in items]:
                raise BindingMismatch(
                    "request_id", "the outcomes are not those of the batch's items, in order"
                )
            for item, result in zip(items, results, strict=True):
                yield self._trust.outcome(result, item)
            done += len(items)
            if progress is not None:
                progress(done)

    def _ask(
        self,
        method: Any,
        request: score_pb2.GetScoreRequest | score_pb2.CheckThresholdRequest,
        timeout: timedelta | None,
    ) -> Reply:
        return self._connection.call(
            method, request, timeout=timeout, request_id=request.request_id, nonce=request.nonce
        )
