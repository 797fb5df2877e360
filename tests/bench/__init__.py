"""What a score costs, and everything else that is promised in numbers. `make bench` runs it.

``parts`` are what is measured, each with rounds of its own: ``side_by_side`` (beside empty echoes, the peer,
batches, PostgreSQL), ``latency``, ``processes``, ``starting``, ``million``. ``contest`` is how arms take
turns, ``load`` and ``open_loop`` the generators, ``servers``, ``command``, ``postgres`` and ``peer`` the
processes under load, ``installation`` and ``crowd`` what the gateway knows, ``honesty`` the proof that every
counted answer was a real one. ``figures`` is the arithmetic, ``promises`` what the figures mean, ``report``
the tables.
"""
