"""Private parts: sealed under one owner's key, bound to their leaf, readable by nobody else."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from gateway import migrations
from gateway.audit.private import (
    DataKey,
    Sealed,
    Unreadable,
    Vault,
    data_keys,
    owner_partner,
    owner_subject,
)
from gateway.store import Store, open_store
from scoregate.proof.leaf import CommitmentInvalid, open_commitment

MASTER = bytes(range(32))


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = open_store(database_url)
    migrations.upgrade(opened)
    yield opened
    opened.close()


def new_key(store: Store, owner: str, vault: Vault) -> DataKey:
    with store.writer.begin() as connection:
        return vault.ensure(connection, owner)


def test_an_owner_keeps_the_first_key(store: Store) -> None:
    vault = Vault(MASTER)
    first = new_key(store, "subject:a", vault)
    assert new_key(store, "subject:a", vault).open(first.seal(b"x")) == b"x"
    assert new_key(store, "subject:b", vault).key_id != first.key_id


def test_a_key_that_was_rolled_back_is_not_remembered(store: Store) -> None:
    vault = Vault(MASTER)
    with store.writer.connect() as connection, connection.begin() as transaction:
        lost = vault.ensure(connection, "subject:a")
        again = vault.ensure(connection, "subject:a")
        assert again.key_id == lost.key_id
        transaction.rollback()
    assert new_key(store, "subject:a", vault).key_id != lost.key_id


def test_the_stored_key_is_wrapped_and_another_master_does_not_open_it(store: Store) -> None:
    key = new_key(store, "subject:a", Vault(MASTER))
    with store.reading() as connection:
        row = connection.execute(sa.select(data_keys)).one()
        assert len(row.wrapped) == 40
        assert (row.owner, row.key_id, row.master_version) == ("subject:a", key.key_id, 1)
        told = r"^a data key does not unwrap: the master key is not the one that made it$"
        with pytest.raises(Unreadable, match=told):
            Vault(bytes(32)).keys(connection, ["subject:a"])
        assert Vault(MASTER).keys(connection, ["subject:a"])["subject:a"].open(key.seal(b"x")) == b"x"


def test_an_owner_without_a_key_is_told_apart(store: Store) -> None:
    new_key(store, "subject:a", Vault(MASTER))
    with store.reading() as connection:
        assert set(Vault(MASTER).keys(connection, ["subject:nobody", "subject:a"])) == {"subject:a"}


def test_a_private_part_opens_with_its_blind_and_fits_its_commitment(store: Store) -> None:
    key = new_key(store, "subject:a", Vault(MASTER))
    bound = key.bind(b"the private part")
    part, blind = key.unbind(bound.sealed)
    assert part == b"the private part"
    open_commitment(bound.commitment, part, blind)
    with pytest.raises(CommitmentInvalid):
        open_commitment(bound.commitment, part + b"!", blind)
    assert key.bind(b"the private part").commitment != bound.commitment


def test_another_owners_key_opens_nothing(store: Store) -> None:
    vault = Vault(MASTER)
    sealed = new_key(store, "subject:a", vault).seal(b"secret")
    with pytest.raises(Unreadable, match=r"^a private record does not open$"):
        new_key(store, "subject:b", vault).open(sealed)


def test_no_two_records_are_sealed_alike_and_each_names_its_key(store: Store) -> None:
    key = new_key(store, "subject:a", Vault(MASTER))
    sealed = [key.seal(b"x") for _ in range(2)]
    assert {each.key_id for each in sealed} == {key.key_id}
    assert [len(each.data) for each in sealed] == [12 + 1 + 16] * 2  # nonce, text, tag
    assert sealed[0].data[:12] != sealed[1].data[:12]


def test_blind_and_part_are_sealed_as_one(store: Store) -> None:
    key = new_key(store, "subject:a", Vault(MASTER))
    sealed = key.bind(b"the private part").sealed
    part, blind = key.unbind(sealed)
    assert (len(blind), key.open(sealed)) == (32, blind + part)


def test_every_owner_has_another_key(store: Store) -> None:
    vault = Vault(MASTER)
    keys = [new_key(store, owner, vault) for owner in ("subject:a", "subject:b")]
    assert all(re.fullmatch("[0-9a-f]{32}", key.key_id) for key in keys)
    with store.reading() as connection:
        wrapped = connection.execute(sa.select(data_keys.c.wrapped)).scalars().all()
    assert len(set(wrapped)) == 2
    with pytest.raises(Unreadable):
        DataKey(keys[0].key_id, keys[1].cipher).open(keys[0].seal(b"x"))


def test_a_person_and_a_partner_of_one_name_are_two_owners() -> None:
    assert (owner_subject("a"), owner_partner("a")) == ("subject:a", "partner:a")


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_master_key_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"^the master key has {size} bytes; 32 needed$"):
        Vault(bytes(size))


def test_the_masters_version_is_kept_with_what_it_wrapped(store: Store) -> None:
    new_key(store, "subject:a", Vault(MASTER, master_version=7))
    with store.reading() as connection:
        assert connection.execute(sa.select(data_keys.c.master_version)).scalar_one() == 7


def test_another_master_is_noticed_as_soon_as_something_was_wrapped(store: Store) -> None:
    with store.reading() as connection:
        Vault(bytes(32)).require_same_master(connection)
    for owner in ("subject:a", "subject:b"):
        new_key(store, owner, Vault(MASTER))
    with store.reading() as connection:
        Vault(MASTER).require_same_master(connection)
        with pytest.raises(Unreadable, match="not the one that made it"):
            Vault(bytes(32)).require_same_master(connection)


def test_each_purpose_has_a_secret_of_its_own_and_always_the_same() -> None:
    vault = Vault(MASTER)
    # HKDF-SHA-256 (RFC 5869) without salt over the info "scoregate pages v1", by its two steps.
    extracted = hmac.digest(bytes(32), MASTER, "sha256")
    assert vault.derive("login") == hmac.digest(extracted, b"scoregate login v1\x01", "sha256")
    assert vault.derive("login") != vault.derive("audit cursor")
    assert vault.derive("login") != Vault(bytes(32)).derive("login")
    with pytest.raises(ValueError, match="add it to PURPOSES"):  # or it would change with the master key
        vault.derive("another")


def test_a_committed_key_is_read_once(store: Store) -> None:
    vault = Vault(MASTER)
    new_key(store, "subject:a", vault)
    new_key(store, "subject:b", vault)
    with store.reading() as connection:
        first = vault.keys(connection, ["subject:a"])["subject:a"]
    with store.writer.begin() as connection:  # nobody could unwrap it now
        spoilt = sa.update(data_keys).where(data_keys.c.owner == "subject:a").values(wrapped=bytes(40))
        connection.execute(spoilt)
    with store.reading() as connection:
        both = vault.keys(connection, ["subject:b", "subject:a", "subject:a"])
    assert set(both) == {"subject:a", "subject:b"}
    assert both["subject:a"].open(first.seal(b"kept")) == b"kept"
    with store.writer.begin() as connection:
        assert vault.ensure(connection, "subject:a").open(first.seal(b"kept")) == b"kept"
    with store.reading() as connection, pytest.raises(Unreadable):
        Vault(MASTER).keys(connection, ["subject:a"])


@given(data=st.binary(max_size=200), at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_one_flipped_bit_is_noticed(data: bytes, at: int, bit: int) -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key = DataKey("k1", AESGCM(bytes(32)))
    sealed = key.seal(data)
    assert key.open(sealed) == data
    broken = bytearray(sealed.data)
    broken[at % len(broken)] ^= 1 << bit
    with pytest.raises(Unreadable):
        key.open(replace(sealed, data=bytes(broken)))
    with pytest.raises(Unreadable):
        DataKey("k2", AESGCM(bytes(32))).open(Sealed("k2", sealed.data))
