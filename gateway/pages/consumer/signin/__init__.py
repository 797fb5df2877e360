"""Signing in and out: through any OpenID provider, into a session that only the cookie opens."""
