"""Some of a log's entries, taken out of it: what an officer exports, and what anybody checks of it, offline.

An export is a seal (seal.py) and entries (entries.py), in one of three forms: a bundle (bundle.py), lines of
OCSF (events.py) or Parquet (parquet.py). All three are checked alike (check.py).
"""
