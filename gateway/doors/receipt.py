"""scoregate.partner.v1.ReceiptService: the keys that verify answers."""

from __future__ import annotations

from gateway.doors.door import Frame, Handlers, by_path
from gateway.doors.wire import read
from gateway.keys import Signer
from gateway.partners import Partner
from gateway.query import Call, Caller
from scoregate.partner.v1 import receipt_pb2

SERVICE = "scoregate.partner.v1.ReceiptService"


class ReceiptDoor:
    """Serves public keys. Proofs join it with the transparency log."""

    def __init__(self, signer: Signer, *, issuer: str) -> None:
        self._signer = signer
        self._issuer = issuer

    def service(self, frame: Frame) -> Handlers:
        """The service's handlers."""
        return by_path(SERVICE, {"GetVerificationKeys": frame.admitted(self._get_verification_keys)})

    def _get_verification_keys(
        self, call: Call, _: Partner, __: Caller
    ) -> receipt_pb2.GetVerificationKeysResponse:
        read(receipt_pb2.GetVerificationKeysRequest, call.body)
        return receipt_pb2.GetVerificationKeysResponse(
            issuer=self._issuer, jwks=self._signer.jwks(), log_origin=self._signer.signing().log_origin
        )
