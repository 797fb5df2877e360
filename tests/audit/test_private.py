"""Private parts: sealed under one owner's key, bound to their leaf, readable by nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from gateway import migrations
from gateway.audit.private import DataKey, Sealed, Unreadable, Vault, data_keys
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
        with pytest.raises(Unreadable, match="master key"):
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
    with pytest.raises(Unreadable):
        new_key(store, "subject:b", vault).open(sealed)


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
