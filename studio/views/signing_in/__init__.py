"""Accounts: signing in, and what is one's own."""
