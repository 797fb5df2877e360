"""What a consumer allowed, and who signs for it."""
