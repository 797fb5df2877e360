"""What everybody can check without trusting the gateway: pure codecs and proofs, shared by both sides."""
