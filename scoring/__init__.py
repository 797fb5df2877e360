"""The internal engine: turns dated credit records into scores from 350 to 950 with reasons.

It knows people by the operator's own subject ids, and nothing of partners, consents or audit logs.
"""
