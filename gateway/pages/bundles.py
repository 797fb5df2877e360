"""Entry bundles over HTTP (C2SP tlog-tiles), for officers who were given a token by AuditService.OpenEntries.

Whoever shows none that holds gets one answer, whatever they ask for: 401. Each request asks the registry anew
whether the certificate that the token was given to may read the log still; where that can't be read, nothing
is served. Nothing of it is cached by anybody.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gateway import partners
from gateway.audit.bearer import Pass, Passes, PassRefused
from gateway.audit.tree.proofs import Proofs
from gateway.audit.tree.tables import Origin
from gateway.partners import OPEN_ENTRIES, PartnerRefused
from gateway.store import Store
from scoregate.tlog.tiles import BUNDLE_WIDTH
from scoregate.values import value

NOBODYS = {"cache-control": "private, no-store"}
CHALLENGE = {**NOBODYS, "www-authenticate": 'Bearer realm="entries of the audit log"'}
FOR_OFFICERS = "entries are for compliance: scoregate audit open, or scoregate audit pull\n"


@value
class Bundle:
    """A bundle's name, read."""

    number: int
    width: int

    @property
    def begin(self) -> int:
        """Its first entry."""
        return self.number * BUNDLE_WIDTH

    @property
    def end(self) -> int:
        """Behind its last one."""
        return self.begin + self.width


class Bundles:
    """Serves them."""

    def __init__(
        self, store: Store, proofs: Proofs, passes: Passes, *, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._proofs = proofs
        self._passes = passes
        self._clock = clock

    def serve(self, request: Request, origin: Origin, bundle: Bundle | None) -> Response:
        """The bundle of this name, None being no name, if whoever asks may read it.

        Raises:
            StoreUnavailable: The database does not answer: nobody is known to be allowed anything.
            EntryNotPublished: Nothing is published yet.
        """
        try:
            granted = self._admit(request)
        except (PassRefused, PartnerRefused):
            return _refused()
        if bundle is None:
            return _missing()
        if not granted.covers(bundle.begin, bundle.end):
            return _refused()
        data = self._proofs.bundle(origin, bundle.number, bundle.width)
        if data is None:
            return _missing()
        return Response(data, media_type="application/octet-stream", headers=NOBODYS)

    def _admit(self, request: Request) -> Pass:
        """What the request's token opens, to an officer who may still read the log.

        Raises:
            PassRefused: There is no token, or none that holds.
            PartnerRefused: Stopped, or their certificate revoked, since it was given out.
        """
        given = request.headers.getlist("authorization")
        scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        if scheme.lower() != "bearer":
            raise PassRefused
        now = self._clock()
        granted = self._passes.read(token.strip(" "), now=now)
        with self._store.reading() as connection:
            found = partners.enrolled([granted.fingerprint]).ask(connection).get(granted.fingerprint)
        if found is None or now >= found.expires_at:
            raise PassRefused
        if found.require(OPEN_ENTRIES).partner_id != granted.officer_id:
            raise PassRefused
        return granted


def _refused() -> Response:
    return PlainTextResponse(FOR_OFFICERS, status_code=401, headers=CHALLENGE)


def _missing() -> Response:
    return PlainTextResponse("there is nothing here; see /\n", status_code=404, headers=NOBODYS)
