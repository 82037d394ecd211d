"""Prices, quotes and budgets."""

from __future__ import annotations
