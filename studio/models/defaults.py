"""Defaults that the database itself knows, for columns that the version before leaves out."""

from __future__ import annotations

from django.db.models import JSONField, Value

EMPTY_OBJECT = Value({}, JSONField())
