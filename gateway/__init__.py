"""The journey of a query: partners, quota, ledger, audit log, doors, server and command line."""
