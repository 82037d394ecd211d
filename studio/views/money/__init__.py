"""Spend, and asking for what costs too much."""
