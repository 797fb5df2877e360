"""Two meters: ``burst`` guards the server, ``contract`` is what a partner bought."""
