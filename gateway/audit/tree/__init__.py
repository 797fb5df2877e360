"""The published tree: the log's entries as a public, append-only Merkle tree that anybody can check.

Answers never wait for it. The ledger commits entries; about once a second the integrator of one process
takes those that came since, extends the tree (RFC 9162, section 2.1), and signs a checkpoint. In order::

    1 read        the tree as it stands, its stored root computed anew from the tiles
    2 extend      hashes of the new entries, the tiles that they change, the new root
    3 compare     with the last checkpoint outside the database: never below it, never beside it
    4 sign        the checkpoint (C2SP tlog-checkpoint, a signed note)
    5 remember    outside the database, durably, before anybody can see it
    6 publish     one transaction: compare-and-swap of size and root, and the changed tiles
    7 witness     witnesses see it, and their cosignatures join it

A crash between any two of these loses nothing: the next step begins at 1, and 3 accepts what 5 remembered.
``steps`` names the points at which `make prove` kills it.

``tables`` holds it in SQL, ``outside`` beside the database, ``signing`` has the log's key, ``integrate`` does
the steps, ``proofs`` answers questions, ``witnesses`` asks for cosignatures.
"""
