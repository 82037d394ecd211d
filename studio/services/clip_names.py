"""What a clip is called where its prompt must not be read: to guests, and to other programs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from studio.models import Generation

REPEATED_LETTERS = 12  # in a row, of a prompt: more than chance


def titles_beyond_prompts(clips: Collection[Generation]) -> dict[int, str]:
    """Return the title somebody typed for each clip, by key; "" where it tells a prompt of its shot.

    A title nobody typed is the beginning of the prompt, and further takes keep the first one's, however
    their own prompts begin. One query at most.
    """
    titles = {clip.pk: clip.title.strip() for clip in clips}
    shots = {clip.pk: clip.shot for clip in clips if titles[clip.pk]}
    takes = Generation.objects.filter(shot__in=set(shots.values())).order_by()
    prompts: dict[UUID, list[str]] = {}
    for shot, prompt in takes.values_list("shot", "prompt").distinct() if shots else ():
        prompts.setdefault(shot, []).append(words_of(prompt))
    return {
        pk: "" if pk not in shots or _tells(title, prompts.get(shots[pk], ())) else title
        for pk, title in titles.items()
    }


def _tells(title: str, prompts: Iterable[str]) -> bool:
    words = words_of(title)
    # It may end inside a word: where one is long, and in scripts without spaces.
    return not words or any(words.rstrip() in prompt for prompt in prompts)


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
