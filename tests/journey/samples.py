"""One good request for every method of the contract: what the tests of bad ones start from."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway import pki
from scoregate.admin.v1 import consent_admin_pb2, operations_admin_pb2, partner_admin_pb2
from scoregate.audit.v1 import audit_pb2, bundles_pb2, report_pb2
from scoregate.partner.v1 import consent_pb2, receipt_pb2, score_pb2, types_pb2, usage_pb2
from tests.journey.contract import BY_REQUEST
from tests.world import CREDIT, RETURN_ADDRESS, Partner, contract, new_uuid, seconds, terms

SOMETHING = "a" * 26  # a well-formed consent id, subject reference or handle
A_REFERENCE = "K7QM2XW9RT"  # of a dispute that nobody opened
_, CSR = pki.new_key_and_request("sample")


def token(position: str) -> str:
    """A page token as a door packs it."""
    return base64.urlsafe_b64encode(position.encode()).decode()


def score_request() -> score_pb2.GetScoreRequest:
    return score_pb2.GetScoreRequest(
        request_id=new_uuid(),
        consent_id=SOMETHING,
        subject_ref=SOMETHING,
        purpose=CREDIT,
        disclosure="DISCLOSURE_SCORE",
        with_reasons=True,
        nonce="n" * 22,
    )


def good_terms() -> consent_pb2.ConsentTerms:
    return terms(
        mode="CONSENT_MODE_PERIODIC",
        not_before=Timestamp(seconds=1_800_000_000),
        time_zone="Asia/Shanghai",
        excluded_families=["INPUT_FAMILY_SOCIAL"],
        frequency=types_pb2.Frequency(uses=3, unit="CALENDAR_UNIT_DAY"),
    )


def good_contract() -> partner_admin_pb2.Contract:
    return contract(time_zone="Asia/Shanghai")


def samples() -> dict[str, Message]:
    """Path → a request in which every field is set, and right."""
    partner_id, why = "sample-lender", "a test"
    made = (
        consent_pb2.CreateConsentInvitationRequest(
            request_id=new_uuid(),
            terms=good_terms(),
            partner_reference="ref 1",
            decide_within=seconds(3_600),
            return_address=RETURN_ADDRESS,
            return_state="s" * 22,
            identity=consent_pb2.IdentityToMatch(name="王小明", document_number="A1", phone="+8613800138000"),
        ),
        consent_pb2.GetConsentInvitationRequest(handle=SOMETHING),
        consent_pb2.GetConsentRequest(consent_id=SOMETHING),
        consent_pb2.ListConsentsRequest(page_size=3, page_token=token("0")),
        consent_pb2.ListConsentEventsRequest(start_index=1, page_size=3, page_token=token(f"1:{SOMETHING}")),
        consent_pb2.RelinquishConsentRequest(consent_id=SOMETHING),
        score_request(),
        score_pb2.CheckThresholdRequest(
            request_id=new_uuid(),
            consent_id=SOMETHING,
            subject_ref=SOMETHING,
            purpose=CREDIT,
            threshold=600,
            nonce="n" * 22,
        ),
        score_pb2.BatchGetScoresRequest(items=[score_request()]),
        usage_pb2.ListQuotaUsageRequest(page_size=2, page_token=token("burst")),
        usage_pb2.GetStatementRequest(month=f"{datetime.now(UTC):%Y-%m}"),
        usage_pb2.ListStatementEntriesRequest(
            first_sequence=1, last_sequence=3, tree_size=1, page_size=2, page_token=token("2")
        ),
        receipt_pb2.GetVerificationKeysRequest(),
        receipt_pb2.GetCheckpointRequest(),
        receipt_pb2.GetInclusionProofRequest(leaf_index=1),
        receipt_pb2.GetConsistencyProofRequest(old_size=1),
        audit_pb2.GetHeadRequest(),
        audit_pb2.ListEntriesRequest(start_index=1, tree_size=2, page_size=3),
        audit_pb2.GetCheckpointRequest(),
        audit_pb2.PreviewErasureRequest(subject="sample-1"),
        audit_pb2.EraseSubjectRequest(subject="sample-1", basis="LEGAL_BASIS_COURT_ORDER", reason=why),
        audit_pb2.GetRetentionRequest(),
        audit_pb2.GetInclusionProofRequest(leaf_index=1),
        audit_pb2.GetConsistencyProofRequest(old_size=1),
        report_pb2.GetSubjectAccessReportRequest(
            subject="sample-1",
            since=Timestamp(seconds=1_700_000_000),
            until=Timestamp(seconds=1_700_000_001),
            page_size=3,
        ),
        bundles_pb2.OpenEntriesRequest(start_index=1, end_index=2),
        audit_pb2.ExportBundleRequest(
            filter=audit_pb2.EntryFilter(
                partner_id=partner_id,
                since=Timestamp(seconds=1_700_000_000),
                until=Timestamp(seconds=4_000_000_000),
                decisions=["DECISION_SCORED"],
                purposes=[CREDIT],
                kinds=["LEAF_KIND_RELEASE"],
                subject="sample-1",
                start_index=1,
                end_index=2,
            ),
            with_private_parts=True,
            reason=why,
            page_size=3,
        ),
        partner_admin_pb2.AddPartnerRequest(
            partner=partner_admin_pb2.Partner(
                partner_id=partner_id,
                legal_name="Sample Lending Ltd",
                role="ROLE_PARTNER",
                contract=good_contract(),
            )
        ),
        partner_admin_pb2.EnrollPartnerRequest(partner_id=partner_id, csr_pem=CSR.decode(), valid_days=9),
        partner_admin_pb2.GetPartnerRequest(partner_id=partner_id),
        partner_admin_pb2.ListPartnersRequest(page_size=3, page_token=token("operator")),
        partner_admin_pb2.SuspendPartnerRequest(partner_id=partner_id, reason=why),
        partner_admin_pb2.ResumePartnerRequest(partner_id=partner_id, reason=why),
        partner_admin_pb2.RevokeCertificateRequest(fingerprint="0" * 64, reason=why),
        partner_admin_pb2.SetContractRequest(partner_id=partner_id, contract=good_contract(), reason=why),
        consent_admin_pb2.AllowInvitationRequest(handle=SOMETHING, subject="uci-00001"),
        consent_admin_pb2.DenyInvitationRequest(handle=SOMETHING),
        consent_admin_pb2.ChangeConsentRequest(consent_id=SOMETHING, change="CONSENT_CHANGE_PAUSE"),
        consent_admin_pb2.SetFreezeRequest(subject="sample-1", frozen=True),
        consent_admin_pb2.ReopenMonthRequest(subject="sample-1", reason=why),
        consent_admin_pb2.ListDisputesRequest(
            with_resolved=True, page_size=3, page_token=token(f"0:1:{A_REFERENCE}")
        ),
        consent_admin_pb2.ResolveDisputeRequest(reference=A_REFERENCE, outcome="It was put right."),
        consent_admin_pb2.ListSubjectConsentsRequest(
            subject="sample-1", page_size=3, page_token=token(SOMETHING)
        ),
        operations_admin_pb2.ListKeysRequest(),
        operations_admin_pb2.RotateKeysRequest(reason=why),
        operations_admin_pb2.GetMasterKeyRequest(),
        operations_admin_pb2.RotateMasterKeyRequest(reason=why),
        operations_admin_pb2.GetPartnerUsageRequest(partner_id=partner_id),
        operations_admin_pb2.GetActiveModelRequest(),
    )
    return {BY_REQUEST[request.DESCRIPTOR].path: request for request in made}


NAMING: dict[str, Callable[[Partner, str], Message]] = {
    "GetConsentInvitation": lambda _, handle: consent_pb2.GetConsentInvitationRequest(handle=handle),
    "GetConsent": lambda _, consent_id: consent_pb2.GetConsentRequest(consent_id=consent_id),
    "RelinquishConsent": lambda _, consent_id: consent_pb2.RelinquishConsentRequest(consent_id=consent_id),
    "GetScore": lambda caller, consent_id: caller.query(consent_id),
    "CheckThreshold": lambda caller, consent_id: caller.threshold_query(
        consent_pb2.Consent(consent_id=consent_id)
    ),
    "BatchGetScores": lambda caller, consent_id: score_pb2.BatchGetScoresRequest(
        items=[caller.query(consent_id)]
    ),
}
"""Method → a lender's request that names something: a handle, or a consent."""


def text_fields(message: Message, prefix: str = "") -> Iterator[tuple[str, Message, Any]]:
    """(path, holder, field) of every text field, those of nested messages and of lists included."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None and field.message_type.full_name.startswith("google."):
            continue
        if field.type == field.TYPE_STRING and field.is_repeated:
            for place in range(len(getattr(message, field.name))):
                yield f"{prefix}{field.name}[{place}]", message, field
        elif field.type == field.TYPE_STRING:
            yield prefix + field.name, message, field
        elif field.message_type is not None and field.is_repeated:
            for place, item in enumerate(getattr(message, field.name)):
                yield from text_fields(item, f"{prefix}{field.name}[{place}].")
        elif field.message_type is not None:
            yield from text_fields(getattr(message, field.name), f"{prefix}{field.name}.")


def put(holder: Message, field: Any, text: str) -> None:
    """Set a text field; of a list, its only item."""
    if field.is_repeated:
        getattr(holder, field.name)[:] = [text]
    else:
        setattr(holder, field.name, text)
