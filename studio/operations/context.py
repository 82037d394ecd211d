"""What the work at hand is about: the request, the task and the clip that log lines name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import MappingProxyType

_NOTHING: Mapping[str, str] = MappingProxyType({})
_facts: ContextVar[Mapping[str, str]] = ContextVar("facts", default=_NOTHING)


def facts() -> Mapping[str, str]:
    """Return what is known here: `request`, `task`, `clip`, each where there is one."""
    return _facts.get()


@contextmanager
def about(**more: object) -> Iterator[None]:
    """Have every log line of this block say this too, such as about(clip=generation.code)."""
    token = begin(**more)
    try:
        yield
    finally:
        end(token)


def begin(**more: object) -> Token[Mapping[str, str]]:
    """As `about`, for what begins in one call and ends in another."""
    said = {name: str(value) for name, value in more.items() if value}
    return _facts.set({**_facts.get(), **said})


def end(token: Token[Mapping[str, str]]) -> None:
    _facts.reset(token)
