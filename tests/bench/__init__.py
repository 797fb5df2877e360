"""What a score costs beside a call that does nothing. `make bench` runs it.

``servers`` are the processes under load, ``load`` the generator, ``installation`` what the gateway
knows, ``honesty`` the proof that every counted answer was a real one, ``figures`` the table.
"""
