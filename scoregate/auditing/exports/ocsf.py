"""One exported entry as an event of OCSF: class 6003, API Activity, of schema 1.1.0. Pure.

Source: the Open Cybersecurity Schema Framework, 1.1.0: classes api_activity and base_event, objects actor,
api, metadata, network_endpoint, product, resource_details and user.

All of it follows from the entry and the name of its log, so a verifier makes it anew and compares:

    raw_data                  the leaf's bytes, in base64
    metadata                  log_name, sequence (the index), uid (the leaf's hash), event_code (the kind)
    time                      milliseconds since 1970; original_time beside it has microseconds
    activity_id               2 Read for what was asked, 1 Create, 3 Update; 99 for other kinds
    status_id, status_code    1 Success, or 2 Failure with the reason's word
    status_detail             why, where a change or a reading says it
    actor, src_endpoint       who acted; for whom
    api                       the method that was called, and its service
    resources                 the certificate, key, model or dispute that it concerns
    unmapped                  the index and the proof; what else the leaf says; the private part, if asked for

No text begins so that a spreadsheet would take it for a formula (cells.py); the leaf has them as they are.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from google.protobuf.json_format import MessageToDict

from scoregate.audit.v1 import leaf_pb2 as pb
from scoregate.auditing.exports.cells import cell
from scoregate.auditing.exports.entries import Exported, PartState
from scoregate.auditing.exports.filters import spell
from scoregate.instants import moment
from scoregate.proof.digest import Json, spell_instant
from scoregate.tlog import merkle
from scoregate.tlog.lines import write_base64

SCHEMA_VERSION = "1.1.0"
CATEGORY, CLASS = 6, 6003
CREATE, READ, UPDATE, DELETE, OTHER = 1, 2, 3, 4, 99
SUCCESS, FAILURE = 1, 2
INFORMATIONAL, LOW = 1, 2
USER_UNKNOWN, USER_USER, USER_ADMIN, USER_SYSTEM = 0, 1, 2, 3

_CAPTIONS = {CREATE: "Create", READ: "Read", UPDATE: "Update", DELETE: "Delete", OTHER: "Other"}
_ACTIVITIES: Mapping[int, int] = {
    **dict.fromkeys(
        (
            pb.LEAF_KIND_RELEASE,
            pb.LEAF_KIND_REFUSAL,
            pb.LEAF_KIND_REPLAY,
            pb.LEAF_KIND_COUNTED_REFUSALS,
            pb.LEAF_KIND_SELF_INQUIRY,
            pb.LEAF_KIND_OFFICER_READ,
            pb.LEAF_KIND_EXPORTED,
        ),
        READ,
    ),
    **dict.fromkeys(
        (
            pb.LEAF_KIND_INVITATION_CREATED,
            pb.LEAF_KIND_CONSENT_GRANTED,
            pb.LEAF_KIND_PARTNER_ADDED,
            pb.LEAF_KIND_CERTIFICATE_ISSUED,
            pb.LEAF_KIND_DISPUTE_OPENED,
        ),
        CREATE,
    ),
    **dict.fromkeys(
        (
            pb.LEAF_KIND_INVITATION_REJECTED,
            pb.LEAF_KIND_INVITATION_MISMATCHED,
            pb.LEAF_KIND_CONSENT_PAUSED,
            pb.LEAF_KIND_CONSENT_RESUMED,
            pb.LEAF_KIND_CONSENT_REVOKED,
            pb.LEAF_KIND_CONSENT_EXPIRED,
            pb.LEAF_KIND_SUBJECT_FROZEN,
            pb.LEAF_KIND_SUBJECT_UNFROZEN,
            pb.LEAF_KIND_MONTH_REOPENED,
            pb.LEAF_KIND_PARTNER_SUSPENDED,
            pb.LEAF_KIND_PARTNER_RESUMED,
            pb.LEAF_KIND_CERTIFICATE_REVOKED,
            pb.LEAF_KIND_CONTRACT_CHANGED,
            pb.LEAF_KIND_DISPUTE_RESOLVED,
            pb.LEAF_KIND_KEY_CHANGED,
            pb.LEAF_KIND_MODEL_CHANGED,
            pb.LEAF_KIND_LOG_RENAMED,
        ),
        UPDATE,
    ),
    pb.LEAF_KIND_REDACTED: DELETE,
}


def event(entry: Exported, leaf: pb.Leaf, log: str) -> dict[str, Json]:
    """Return the event of an entry whose leaf decodes to `leaf`, in the log of this origin."""
    kind, at = spell("kinds", leaf.kind), moment(leaf.time_micros)
    activity = _ACTIVITIES.get(leaf.kind, OTHER)
    failed = leaf.decision == pb.DECISION_REFUSED
    made: dict[str, Json] = {
        "activity_id": activity,
        "activity_name": _CAPTIONS[activity] if activity != OTHER else kind,
        "actor": {"user": _user(leaf)},
        "api": _api(leaf, kind),
        "category_uid": CATEGORY,
        "class_uid": CLASS,
        "message": _message(leaf, kind),
        "metadata": _metadata(entry, kind, log, at),
        "raw_data": write_base64(entry.leaf),
        "severity_id": LOW if failed else INFORMATIONAL,
        "src_endpoint": {"uid": cell(leaf.partner_id or leaf.actor or "gateway")},
        "status_id": FAILURE if failed else SUCCESS,
        "time": leaf.time_micros // 1000,
        "type_uid": CLASS * 100 + activity,
        "unmapped": _unmapped(entry, leaf),
    }
    if leaf.count:
        made["count"] = leaf.count
    if leaf.reason:
        made["status_code" if leaf.decision else "status_detail"] = cell(leaf.reason)
    if leaf.object_id:
        made["resources"] = [{"uid": cell(leaf.object_id)}]
    return made


def _metadata(entry: Exported, kind: str, log: str, at: datetime) -> dict[str, Json]:
    return {
        "event_code": kind,
        "log_name": log,
        "original_time": spell_instant("time", at.astimezone(UTC)),
        "product": {"name": "Scoregate", "vendor_name": "Scoregate"},
        "sequence": entry.index,
        "uid": merkle.leaf_hash(entry.leaf).hex(),
        "version": SCHEMA_VERSION,
    }


def _user(leaf: pb.Leaf) -> dict[str, Json]:
    """Who acted: an officer, an operator, a person, the gateway, or else the partner that called."""
    known = {"gateway": USER_SYSTEM, "consumer": USER_USER}
    if leaf.actor:
        return {"type_id": known.get(leaf.actor, USER_ADMIN), "uid": cell(leaf.actor)}
    kind = USER_USER if leaf.partner_id else USER_UNKNOWN
    return {"type_id": kind, "uid": cell(leaf.partner_id or "unknown")}


def _api(leaf: pb.Leaf, kind: str) -> dict[str, Json]:
    service, _, method = leaf.method.removeprefix("/").rpartition("/")
    made: dict[str, Json] = {"operation": cell(method or kind)}
    if service:
        made["service"] = {"name": cell(service)}
    return made


def _message(leaf: pb.Leaf, kind: str) -> str:
    words = (kind, spell("decisions", leaf.decision), leaf.partner_id and f"for {leaf.partner_id}")
    return cell(" ".join(word for word in words if word))


def _unmapped(entry: Exported, leaf: pb.Leaf) -> dict[str, Json]:
    made: dict[str, Json] = {
        "cost_units": leaf.cost_units,
        "leaf_index": entry.index,
        "partner_id": cell(leaf.partner_id),
        "partner_sequence": str(leaf.partner_sequence),  # beyond 2^53, numbers in JSON lose digits
        "private_part": entry.state.word,
        "proof": [write_base64(each) for each in entry.hashes],
        "purpose": spell("purposes", leaf.purpose),
        "quota_periods": [cell(each) for each in leaf.quota_periods],
    }
    if leaf.attestation_sha256:
        made["attestation_sha256"] = leaf.attestation_sha256.hex()
    if leaf.HasField("refers_to"):
        made["refers_to"] = str(leaf.refers_to)
    if entry.state is PartState.OPENED:
        made["private"] = _private(entry)
    return made


def _private(entry: Exported) -> dict[str, Json]:
    said: dict[str, Json] = MessageToDict(
        pb.PrivatePart.FromString(entry.part), preserving_proto_field_name=True
    )
    told = {name: cell(value) if isinstance(value, str) else value for name, value in said.items()}
    return told | {"blind": write_base64(entry.blind), "part": write_base64(entry.part)}
