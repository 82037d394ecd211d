"""An emulator of the paid providers on loopback: every dialect, strict input, faults on order."""

from __future__ import annotations

from tests.emulator.config import Config, Phase, Scripted
from tests.emulator.faults import BREAKDOWNS, FAULTS, MANNERS
from tests.emulator.server import Emulator

__all__ = ["BREAKDOWNS", "FAULTS", "MANNERS", "Config", "Emulator", "Phase", "Scripted"]
