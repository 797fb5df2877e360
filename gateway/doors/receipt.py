"""scoregate.partner.v1.ReceiptService: the keys that verify answers, and proofs over the log."""

from __future__ import annotations

from gateway.doors.door import Frame, Handlers, by_path
from gateway.doors.proving import Proving
from gateway.doors.wire import read
from gateway.keys import Signer
from gateway.partners import Partner
from gateway.query import Call, Caller
from scoregate.partner.v1 import receipt_pb2

SERVICE = "scoregate.partner.v1.ReceiptService"


class ReceiptDoor:
    """Serves public keys, and each partner proofs of its own entries."""

    def __init__(self, signer: Signer, proving: Proving, *, issuer: str) -> None:
        self._signer = signer
        self._proving = proving
        self._issuer = issuer

    def service(self, frame: Frame) -> Handlers:
        """The service's handlers."""
        keys = {"GetVerificationKeys": frame.admitted(self._get_verification_keys)}
        return by_path(SERVICE, keys | self._proving.methods(frame))

    def _get_verification_keys(
        self, call: Call, _: Partner, __: Caller
    ) -> receipt_pb2.GetVerificationKeysResponse:
        read(receipt_pb2.GetVerificationKeysRequest, call.body)
        return receipt_pb2.GetVerificationKeysResponse(
            issuer=self._issuer, jwks=self._signer.jwks(), log_origin=self._signer.signing().log_origin
        )
