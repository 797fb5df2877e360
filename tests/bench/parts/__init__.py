"""The parts of the bench, each with rounds of its own."""
