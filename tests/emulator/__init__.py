"""An emulator of the paid providers on loopback: every dialect, strict input, faults on order."""

from __future__ import annotations

from tests.emulator.config import Config, Scripted
from tests.emulator.faults import FAULTS
from tests.emulator.server import Emulator

__all__ = ["FAULTS", "Config", "Emulator", "Scripted"]
