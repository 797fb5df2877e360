"""What anybody can check of one answer, or one entry, without trusting the gateway: codecs for both sides."""
