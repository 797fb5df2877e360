"""scoregate.admin.v1.OperationsAdminService: keys, meters and the model, for operators."""

from __future__ import annotations

import time

from consent.keyring import PublicKey
from consent.keys import KeyFileError
from gateway import partners
from gateway.doors.door import Frame, Handlers, by_path
from gateway.doors.usage import UsageDoor
from gateway.doors.wire import Check, read, timestamp
from gateway.engine import EngineDoor
from gateway.errors import Refused
from gateway.keys import Signer
from gateway.ledger import Ledger
from gateway.masters import Masters, RotationUnfinished, Standing, wrap_anew
from gateway.partners import Partner, PartnerMissing
from gateway.pki import PARTNER_ID, FileRefused
from gateway.query import Call, Caller
from gateway.registry import acting
from gateway.store import Store
from scoregate.admin.v1 import operations_admin_pb2 as pb

PATIENCE_SECONDS = 15.0
"""How long a call waits for everything to be wrapped anew; housekeeping goes on with the rest."""

SERVICE = "scoregate.admin.v1.OperationsAdminService"


class OperationsAdminDoor:
    """Turns the keys and looks at the meters."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        signer: Signer,
        masters: Masters,
        usage: UsageDoor,
        engine: EngineDoor,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._signer = signer
        self._masters = masters
        self._usage = usage
        self._engine = engine

    def service(self, frame: Frame) -> Handlers:
        """The service's handlers."""
        return by_path(
            SERVICE,
            {
                "ListKeys": frame.admitted(self._list_keys),
                "RotateKeys": frame.admitted(self._rotate_keys),
                "GetMasterKey": frame.admitted(self._get_master_key),
                "RotateMasterKey": frame.admitted(self._rotate_master_key),
                "GetPartnerUsage": frame.admitted(self._get_partner_usage),
                "GetActiveModel": frame.admitted(self._get_active_model),
            },
        )

    def _list_keys(self, call: Call, _: Partner, __: Caller) -> pb.ListKeysResponse:
        read(pb.ListKeysRequest, call.body)
        return pb.ListKeysResponse(keys=[_key(key) for key in self._signer.published()])

    def _rotate_keys(self, call: Call, operator: Partner, caller: Caller) -> pb.RotateKeysResponse:
        request = read(pb.RotateKeysRequest, call.body)
        check = Check()
        reason = check.printable("reason", request.reason, least=1, most=200)
        check.finish()
        try:
            turn = self._signer.turning(actor=operator.partner_id, reason=reason)
            self._ledger.change(acting(caller, call.method, turn))
            self._signer.refresh()
        except KeyFileError as error:
            raise Refused("STATE_CONFLICT") from error
        return pb.RotateKeysResponse(keys=[_key(key) for key in self._signer.published()])

    def _get_master_key(self, call: Call, _: Partner, __: Caller) -> pb.GetMasterKeyResponse:
        read(pb.GetMasterKeyRequest, call.body)
        return pb.GetMasterKeyResponse(master_key=self._master_key())

    def _rotate_master_key(self, call: Call, operator: Partner, caller: Caller) -> pb.RotateMasterKeyResponse:
        request = read(pb.RotateMasterKeyRequest, call.body)
        check = Check()
        reason = check.printable("reason", request.reason, least=1, most=200)
        check.finish()
        try:
            turn = self._masters.turning(self._store, actor=operator.partner_id, reason=reason)
            self._ledger.change(acting(caller, call.method, turn))
            wrap_anew(self._store, self._ledger, until=time.monotonic() + PATIENCE_SECONDS)
        except (FileRefused, RotationUnfinished) as error:
            raise Refused("STATE_CONFLICT") from error
        return pb.RotateMasterKeyResponse(master_key=self._master_key())

    def _master_key(self) -> pb.MasterKey:
        with self._store.reading() as connection:
            return _standing(self._masters.standing(connection))

    def _get_partner_usage(self, call: Call, _: Partner, __: Caller) -> pb.GetPartnerUsageResponse:
        request = read(pb.GetPartnerUsageRequest, call.body)
        check = Check()
        check.text("partner_id", request.partner_id, PARTNER_ID, "a partner's id")
        check.finish()
        try:
            with self._store.reading() as connection:
                partner = partners.partner(connection, request.partner_id)
        except PartnerMissing as error:
            raise Refused("NOT_FOUND") from error
        return pb.GetPartnerUsageResponse(usages=self._usage.usages(partner))

    def _get_active_model(self, call: Call, _: Partner, __: Caller) -> pb.GetActiveModelResponse:
        read(pb.GetActiveModelRequest, call.body)
        model = self._engine.model()
        return pb.GetActiveModelResponse(
            model=model.model,
            artefact_sha256=model.artefact_sha256.hex(),
            sunset=model.sunset,
            latest_epoch=model.latest_epoch,
        )


def _standing(masters: Standing) -> pb.MasterKey:
    return pb.MasterKey(
        version=masters.version,
        oldest_version=masters.oldest,
        file=masters.file.name,
        older_files=[file.name for file in masters.older_files],
    )


def _key(key: PublicKey) -> pb.AttestationKey:
    return pb.AttestationKey(
        kid=key.kid,
        algorithm=key.algorithm,
        state=f"KEY_STATE_{key.state}",
        created_at=timestamp(key.created_at),
    )
