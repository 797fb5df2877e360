"""The audit log: ``log`` appends public leaves, ``private`` seals what is about a person.

Tiles, proofs, checkpoints and witnesses join this room with the transparency log.
"""
