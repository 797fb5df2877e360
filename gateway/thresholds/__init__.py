"""Yes/no answers that can't be bisected.

A person who allows THRESHOLD or BAND agrees to be placed in a cell of 50 points, and no closer. Three rules
see to it, whoever asks, alone or with others:

* thresholds are multiples of 50 for everybody, at most three for a legal entity, and change at most once a
  year (``policy``, ``entities``);
* the first such answer about a person in a month rests on a score; every later one whose score rests on the
  same families, to any partner, rests on the cell that it fell in (``cells``). Two lenders who ask on both
  sides of a change that they know the size of would otherwise learn where between two thresholds the score
  lies. What a consent leaves out beside what the model uses asks nothing new: lenders choose it;
* only an operator's correction, which is an entry of the log, lets a month begin anew.
"""
