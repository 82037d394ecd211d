"""What a clip is called where its prompt must not be read: to guests, and to other programs."""

from __future__ import annotations

from studio.models import Generation

REPEATED_LETTERS = 12  # in a row, of a prompt: more than chance


def title_beyond_prompt(clip: Generation) -> str:
    """Return the title somebody typed; "" where it tells the prompt.

    A title nobody typed is the beginning of the prompt.
    """
    title = clip.title.strip()
    words, prompt = words_of(title), words_of(clip.prompt)
    # It may end inside a word: where one is long, and in scripts without spaces.
    return "" if not words or words.rstrip() in prompt else title


def repeats_prompt(text: str, clip: Generation) -> bool:
    """Whether a text, such as a provider's answer, repeats some of what somebody wrote for a clip."""
    words = words_of(text)
    for written in (words_of(clip.prompt), words_of(clip.style_notes)):
        if written and written in words:
            return True
        # Without spaces, which some scripts have none of.
        letters, told = written.replace(" ", ""), words.replace(" ", "")
        ends = range(REPEATED_LETTERS, len(letters) + 1)
        if any(letters[end - REPEATED_LETTERS : end] in told for end in ends):
            return True
    return False


def words_of(text: str) -> str:
    """Return the words of a text and nothing else, with a space around each."""
    kept = "".join(c if c.isalnum() else " " for c in text.casefold())
    return f" {' '.join(kept.split())} " if kept.split() else ""
