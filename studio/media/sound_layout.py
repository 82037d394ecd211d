"""The channels of a sound, asked of PyAV in a way that does not end the process."""

from __future__ import annotations

import ctypes

from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout

_OWN_ORDER = ("+", " channels (")  # in the names of layouts that FFmpeg keeps behind a pointer


def layout_of(sound: AudioCodecContext | AudioFrame) -> AudioLayout:
    """Return the layout of a stream's context or of a decoded frame, which is asked for here only.

    PyAV 18.1 copies a layout with the pointer to its channels, and frees them with the copy too. Where
    channels come in an order of their own, as 7.1 and 5.1 in MOVs do, they would be freed
    twice: such a copy is never freed.
    """
    layout = sound.layout
    if any(mark in layout.name for mark in _OWN_ORDER):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))
    return layout
