"""A witness after C2SP tlog-witness: it says that a log only ever grew, and keeps what shows otherwise.

It runs by itself, on the machine of whoever wants to know: it needs the client's dependencies, one folder and
one port, and nothing of the gateway. What it holds to, in this order:

    1. Nothing is cosigned before a key that is trusted for the log has signed it.
    2. For each log there is one latest checkpoint. Reading it, judging the next and keeping that are one
       step, under one lock, whatever other threads and processes work on the folder.
    3. The next one is never smaller, never another root for the same size, and else proven to contain the
       latest (RFC 9162, 2.1.4).
    4. Its time is never before that of the latest, whatever the clock says.
    5. It is durable before its cosignature leaves. A crash at any point costs the log a repeat.
    6. What contradicts the latest and bears the log's signature is kept as evidence, both notes.

`request` and `judging` are pure. `folder`, `logs` and `evidence` hold the files, `witness` is the one
sequence that uses them all, `door` and `call` are HTTP and `cli` is the command.
"""
