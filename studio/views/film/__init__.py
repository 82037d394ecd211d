"""Chains, and the films made of them."""
