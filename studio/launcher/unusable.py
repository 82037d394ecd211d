"""The sentence for a file of the data folder that cannot be read or written. settings.py needs it too."""

from __future__ import annotations

import errno

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def unusable_file(error: OSError) -> str:
    """Return what is wrong with the file, and what to do about it."""
    advice = (
        "Make room on its disk."
        if error.errno in FULL
        else "Everything in the data folder must belong to the user who starts the studio."
    )
    name = error.filename or "A file of the data folder"
    return f"{name} cannot be used: {error.strerror or error}. {advice}"
