"""`scoregate quota`: what a partner's contract allows, and how much of it is used."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.console import Admin, asks_gateway
from gateway.cli.failures import misconfigured
from gateway.cli.tables import instant, listing
from scoregate.cli import one_of

if TYPE_CHECKING:
    from scoregate.admin.v1 import partner_admin_pb2 as pb
    from scoregate.partner.v1 import usage_pb2

app = typer.Typer(name="quota", help="See and change what partners may use.", no_args_is_help=True)

CONTRACT = "The contract"


def _whole(least: int, most: int) -> Callable[[str], int]:
    """Reads a whole number inside both bounds; beyond them the contract has no room for it."""

    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdecimal() else -1
        if not least <= number <= most:
            raise typer.BadParameter(f"it must be a whole number from {least:,} to {most:,}.")
        return number

    return read


def _limit(help_text: str, least: int, most: int) -> Any:
    return typer.Option(
        metavar="N", parser=_whole(least, most), help=help_text, rich_help_panel=CONTRACT, show_default=False
    )


class NotScored(StrEnum):
    """What an answer without a score costs."""

    FREE = "free"
    CHARGED = "charged"


PartnerId = Annotated[str, typer.Argument(metavar="ID", help="The partner.")]
Daily = Annotated[int | None, _limit("Units a calendar day.", 0, 1_000_000_000)]
Monthly = Annotated[int | None, _limit("Units a calendar month.", 0, 1_000_000_000)]
Zone = Annotated[
    str | None,
    typer.Option(
        metavar="ZONE", help="Where days and months begin, such as Asia/Shanghai.", rich_help_panel=CONTRACT
    ),
]
Rate = Annotated[int | None, _limit("Sustained calls a second, 1 to 100,000.", 1, 100_000)]
Burst = Annotated[
    int | None,
    _limit(
        "Calls in a row after a rest, above the rate, 1 to 100,000. How many may be under way at once is "
        "the gateway's own setting, limits.max_in_flight_per_partner.",
        1,
        100_000,
    ),
]
Thresholds = Annotated[
    list[int] | None,
    _limit("May be asked about: a multiple of 50 from 400 to 900. Up to three times.", 400, 900),
]
NotScoredCost = Annotated[
    NotScored | None,
    typer.Option(
        "--not-scored",
        metavar="free|charged",
        parser=one_of(NotScored),
        help="What no score costs.",
        rich_help_panel=CONTRACT,
    ),
]
ReturnAddresses = Annotated[
    list[str] | None,
    typer.Option(
        "--return-address",
        metavar="URL",
        help="Where people may be sent back to, such as https://lender.example/back. Up to ten times.",
        rich_help_panel=CONTRACT,
        show_default=False,
    ),
]


@app.command()
@asks_gateway
def show(admin: Admin, partner_id: PartnerId) -> None:
    """Show a partner's limits and what is used of them, as the partner sees them.

    Example:
      scoregate quota show acme
    """
    from scoregate.admin.v1 import operations_admin_pb2 as operations

    asked = operations.GetPartnerUsageRequest(partner_id=partner_id)
    usages: list[usage_pb2.QuotaUsage] = list(admin.operations.GetPartnerUsage(asked).usages)
    columns = ("limit", "period", "used", "of", "left", "full again")
    zones = ", ".join(sorted({each.time_zone for each in usages}))
    admin.show(
        {"partner_id": partner_id, "usages": [_plain_usage(each) for each in usages]},
        listing(f"{partner_id}'s limits, in {zones}", columns, (_row(each) for each in usages)),
        f"To change them: scoregate quota set {partner_id} --reason WHY --daily N",
    )


@app.command("set")
@asks_gateway
def set_(
    admin: Admin,
    partner_id: PartnerId,
    reason: Annotated[str, typer.Option(metavar="WHY", help="Why, for the audit log; no personal data.")],
    daily: Daily = None,
    monthly: Monthly = None,
    zone: Zone = None,
    rate: Rate = None,
    burst: Burst = None,
    threshold: Thresholds = None,
    no_thresholds: Annotated[
        bool, typer.Option("--no-thresholds", help="None any more.", rich_help_panel=CONTRACT)
    ] = False,
    not_scored: NotScoredCost = None,
    return_address: ReturnAddresses = None,
    no_return_addresses: Annotated[
        bool, typer.Option("--no-return-addresses", help="None any more.", rich_help_panel=CONTRACT)
    ] = False,
) -> None:
    """Change a partner's contract. What is not named stays as it is.

    It holds from the partner's next call on; what was used stays used. The
    thresholds named replace all earlier ones, and so do the return addresses.

    Example:
      scoregate quota set acme --daily 2000 --reason "order 1174"
    """
    from scoregate.admin.v1 import partner_admin_pb2 as pb

    if threshold and no_thresholds:
        raise misconfigured("--no-thresholds", "says the opposite of --threshold.", "Name one of them.")
    if return_address and no_return_addresses:
        raise misconfigured(
            "--no-return-addresses", "says the opposite of --return-address.", "Name one of them."
        )
    thresholds = [] if no_thresholds else threshold or None
    addresses = [] if no_return_addresses else return_address or None
    changes = terms(daily, monthly, zone, rate, burst, thresholds, not_scored, addresses)
    if all(value is None for value in changes.values()):
        raise misconfigured("", "Nothing to change was named.", "Name at least one limit, such as --daily.")
    now: pb.Partner = admin.partners.GetPartner(pb.GetPartnerRequest(partner_id=partner_id)).partner
    asked = pb.SetContractRequest(
        partner_id=partner_id, contract=changed(now.contract, **changes), reason=reason
    )
    after: pb.Partner = admin.partners.SetContract(asked).partner
    before, rows = dict(contract_facts(now.contract)), contract_facts(after.contract)
    note = note_on(after.contract)
    admin.show(
        {"partner_id": partner_id, "contract": plain_contract(after.contract), **note},
        listing(
            f"{partner_id}'s contract",
            ("", "before", "from now on"),
            ((name, before[name], value) for name, value in rows),
        ),
        *note.values(),
    )


def terms(
    daily: int | None,
    monthly: int | None,
    zone: str | None,
    rate: int | None,
    burst: int | None,
    thresholds: list[int] | None,
    not_scored: NotScored | None,
    return_addresses: list[str] | None,
) -> dict[str, Any]:
    """What the options name, by the contract's fields; None for what they don't."""
    return {
        "daily_units": daily,
        "monthly_units": monthly,
        "time_zone": zone,
        "calls_per_second": rate,
        "burst_calls": burst,
        "thresholds": thresholds,
        "charge_not_scored": None if not_scored is None else not_scored is NotScored.CHARGED,
        "return_addresses": return_addresses,
    }


def changed(contract: pb.Contract, **changes: Any) -> pb.Contract:
    """A contract with some fields replaced; None leaves a field as it is."""
    made = type(contract)()
    made.CopyFrom(contract)
    for name, value in changes.items():
        if value is None:
            continue
        if isinstance(value, list):
            getattr(made, name)[:] = value
        else:
            setattr(made, name, value)
    return made


def plain_contract(contract: pb.Contract) -> dict[str, object]:
    """A contract for programs."""
    return {
        "time_zone": contract.time_zone,
        "daily_units": contract.daily_units,
        "monthly_units": contract.monthly_units,
        "calls_per_second": contract.calls_per_second,
        "burst_calls": contract.burst_calls,
        "thresholds": list(contract.thresholds),
        "charge_not_scored": contract.charge_not_scored,
        "return_addresses": list(contract.return_addresses),
    }


def contract_facts(contract: pb.Contract) -> list[tuple[str, str]]:
    """A contract for people."""
    return [
        ("units a day", f"{contract.daily_units:,}"),
        ("units a month", f"{contract.monthly_units:,}"),
        ("time zone", contract.time_zone),
        ("calls a second", f"{contract.calls_per_second:,}"),
        ("burst", f"{contract.burst_calls:,} calls"),
        ("thresholds", ", ".join(map(str, contract.thresholds)) or "none"),
        ("not_scored costs", "a unit" if contract.charge_not_scored else "nothing"),
        ("people go back to", "\n".join(contract.return_addresses) or "nowhere"),
    ]


def note_on(contract: pb.Contract) -> dict[str, str]:
    """That a day's units can't be used up, where the month's are fewer."""
    if contract.daily_units <= contract.monthly_units:
        return {}
    day, month = f"{contract.daily_units:,}", f"{contract.monthly_units:,}"
    return {"note": f"The month's {month} units are fewer than a day's {day}: those are spent first."}


def _plain_usage(usage: usage_pb2.QuotaUsage) -> dict[str, object]:
    return {
        "limit_name": usage.limit_name,
        "period": usage.period,
        "limit": usage.limit,
        "used": usage.used,
        "remaining": usage.remaining,
        "resets_at": instant(usage.resets_at),
        "time_zone": usage.time_zone,
    }


def _row(usage: usage_pb2.QuotaUsage) -> tuple[str, ...]:
    left = f"{usage.remaining:,}" if usage.remaining else "none"
    numbers = (f"{usage.used:,}", f"{usage.limit:,}", left)
    return (usage.limit_name, usage.period, *numbers, instant(usage.resets_at))
