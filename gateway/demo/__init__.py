"""The whole story in the terminal, against a real gateway: `make demo`, or `python -m gateway.demo`.

``story`` lists the chapters; each is a function whose docstring is its caption. ``stage`` holds the place and
what runs there (``installation``, ``witness``), ``people`` those who act, ``provoking`` what is refused,
``breaking`` the parts that fail, ``vouching`` what holds once all is stopped, ``page`` what it looks like.
Nothing is printed as checked unless the check ran; the first that does not hold ends the story and names its
step.
"""
