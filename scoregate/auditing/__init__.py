"""A whole log of ours, brought home: what an officer pulls, and what is recomputed from it, offline."""
