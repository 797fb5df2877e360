"""Any log of C2SP tlog-tiles: its tree, tiles, notes, checkpoints, cosignatures and policy. Pure."""
