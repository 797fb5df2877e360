"""The peer: the scoring service that a team would write first, with what everybody knows.

FastAPI under uvicorn with mutual TLS, SQLAlchemy's ORM over SQLite (WAL, ``synchronous=FULL``), one commit
a call, PyJWT for an ES256 token, and the same engine in process. It checks who calls by the certificate of
the connection, the person's consent and the partner's quota, and writes an audit row, all in one
transaction. It is competent: connections are kept alive and pooled, keys are loaded once, the transaction
begins with the write lock, so nothing is retried, and the certificate is read once a connection.

It promises less than the gateway, and each thing that it leaves out makes it faster: nothing is encrypted,
audit rows are no tree and carry no commitment, a repeated request is asked anew, a consent's frequency is
not counted, and there are no refusals on record.

``tables`` are its models, ``service`` its one endpoint, ``serving`` its process, ``house`` what it knows and
whether that grew as it must, ``callers`` its generator.
"""
