"""What the studio's own commands have in common: text comes in clean, and none acts on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandParser, OutputWrapper

from studio.incoming_text import LINES, clean, clean_line
from studio.plain_text import escaped

FILE = "FILE"  # as metavar: a path, whose bytes are its own
DJANGOS = frozenset({"pythonpath", "settings"})


class PlainOutput(OutputWrapper):
    r"""A stream that shows invisible characters, line feeds too, as their escapes: \x1b, \u202e, \n.

    Names, titles and providers' words stand in what commands print. They must not move the cursor,
    turn a line around, or look like a line of the command's own. One write is one line.
    """

    def write(  # type: ignore[override]  # as Django's own, which is no TextIOBase quite
        self,
        msg: str = "",
        style_func: Callable[[str], str] | None = None,
        ending: str | None = None,
    ) -> None:
        super().write(escaped(msg.removesuffix("\n")), style_func, ending)


class StudioCommand(BaseCommand):
    """A command of the studio. `stdout` and `stderr` are plain; text that is given to it is clean."""

    def __init__(self, stdout: Any = None, stderr: Any = None, **options: Any) -> None:
        super().__init__(stdout, stderr, **options)
        self.stdout = PlainOutput(stdout or sys.stdout)
        self.stderr = self._errors(stderr or sys.stderr)

    def create_parser(self, *args: Any, **options: Any) -> CommandParser:
        parser = super().create_parser(*args, **options)
        for action in parser._actions:
            said = action.type is None and action.nargs != 0 and not action.choices
            if said and action.metavar != FILE and action.dest not in DJANGOS:
                action.type = clean if action.dest in LINES else clean_line
        return parser

    def execute(self, *args: Any, **options: Any) -> str | None:
        if stdout := options.pop("stdout", None):
            self.stdout = PlainOutput(stdout)
        if stderr := options.pop("stderr", None):
            self.stderr = self._errors(stderr)
        return super().execute(*args, **options)

    def _errors(self, stream: Any) -> PlainOutput:
        output = PlainOutput(stream)
        output.style_func = self.style.ERROR
        return output
