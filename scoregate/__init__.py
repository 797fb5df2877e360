"""What a partner installs: the generated contract, the verifying client, the pure proofs."""
