"""The studio's settings in a version with one migration more."""

from __future__ import annotations

from studio.settings import *  # noqa: F403

MIGRATION_MODULES = {"studio": "tests.later_migrations"}
