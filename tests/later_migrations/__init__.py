"""The studio's migrations and one more: a version after this one, for tests of restores across an upgrade."""

from __future__ import annotations

from pathlib import Path

import studio.migrations

__path__ = [*__path__, str(Path(studio.migrations.__file__).parent)]
