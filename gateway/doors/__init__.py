"""One file per gRPC service: wire ↔ domain, nothing else. ``door`` is the frame they share."""
