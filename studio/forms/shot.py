"""The shot as the compose form holds it, between the page, the address and the services."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar
from uuid import UUID, uuid4

from django.http import QueryDict

from studio import concepts as camera
from studio.forms.joining import Joining, read_joining
from studio.models import Comment, Generation, Keyframe, Project
from studio.models.project import ASPECT_RATIOS, RESOLUTIONS
from studio.providers.catalog import PREVIS, SPECS, Wish, listed, size_label
from studio.providers.wishes import EndWish, written
from studio.services.money.offers import offer_value
from studio.services.review.mentions import asked_for
from studio.services.shots import MAX_TAKES

LENGTHS_S = tuple(sorted({length for spec in SPECS.values() for length in spec.durations_s}))
TAKES = tuple(range(1, MAX_TAKES + 1))

Choice = TypeVar("Choice", int, str)


@dataclass(frozen=True, slots=True)
class End:
    """One end of a shot: a still, a clip that is there or on its way, or nothing."""

    keyframe: Keyframe | None = None
    generation: Generation | None = None

    def __bool__(self) -> bool:
        return self.keyframe is not None or self.generation is not None

    @property
    def kind(self) -> EndWish:
        if self.generation is not None:
            return "generation"
        return "image" if self.keyframe is not None else None


@dataclass(frozen=True, slots=True)
class ShotDraft:
    """A shot being written. `offer` is the radio's value, "account:model"."""

    prompt: str = ""
    concepts: tuple[str, ...] = ()
    duration_s: int = 5
    aspect_ratio: str = "16:9"
    resolution: str = "720p"
    loop: bool = False
    takes: int = 1
    offer: str = ""
    offer_was: str = ""  # the offer when the page last answered; empty on the first look
    start: End = field(default_factory=End)
    end: End = field(default_factory=End)
    take_of: Generation | None = None  # another take of this clip's shot
    answers: Comment | None = None  # the comment on that shot this take is made for
    joining: Joining = field(default_factory=Joining)
    style_notes: str = ""  # the project's, as they are now
    style: bool = True  # whether they go with this shot
    drafts: bool = False  # one draft per camera word, before a master
    draft_offer: str = ""  # "account:model@resolution"
    request_token: UUID = field(default_factory=uuid4)

    @property
    def neighbour(self) -> Generation | None:
        """The clip this shot is to stand beside in a chain; its shape is the shot's."""
        segment = self.joining.segment
        return (
            self.start.generation
            or self.joining.follows
            or self.end.generation
            or (segment.generation if segment else None)
        )

    @property
    def notes(self) -> str:
        """The style notes that go with the prompt; empty when there are none, or not wanted."""
        return self.style_notes if self.style else ""

    def at(self, name: str) -> End:
        """Return the end called "start" or "end"."""
        return self.start if name == "start" else self.end

    def with_end(self, name: str, end: End) -> ShotDraft:
        return replace(self, start=end) if name == "start" else replace(self, end=end)

    def wish(self) -> Wish:
        """Return the draft as the catalogue asks about it, before an account is known."""
        return Wish(
            prompt=written(self.prompt, self.notes),
            concepts=self.concepts,
            duration_s=self.duration_s,
            aspect_ratio=self.aspect_ratio,
            resolution=self.resolution,
            loop=self.loop,
            start=self.start.kind,
            end=self.end.kind,
        )


def draft_for(project: Project) -> ShotDraft:
    """Return an empty draft with the project's defaults."""
    return ShotDraft(
        duration_s=project.duration_s,
        aspect_ratio=project.aspect_ratio,
        resolution=project.resolution,
        style_notes=project.style_notes,
    )


def draft_from(clip: Generation, *, same_shot: bool) -> ShotDraft:
    """Return a draft that asks for this clip again; `same_shot` makes it the next take."""
    return ShotDraft(
        prompt=clip.prompt,
        concepts=tuple(clip.concepts),
        duration_s=clip.duration_s,
        aspect_ratio=clip.aspect_ratio,
        resolution=clip.resolution,
        loop=clip.loop,
        offer=offer_value(clip.account, clip.model),
        start=End(clip.start_keyframe, clip.start_generation),
        end=End(clip.end_keyframe, clip.end_generation),
        take_of=clip if same_shot else None,
        style_notes=clip.project.style_notes,
        # A previs was made without them, which says nothing of what comes next.
        style=bool(clip.style_notes) or clip.account.provider == PREVIS.provider,
    )


def draft_answering(comment: Comment) -> ShotDraft:
    """Return a draft of the next take of a clip, with what a comment asks for in its prompt."""
    base = draft_from(comment.generation, same_shot=True)
    prompt = "\n\n".join(filter(None, [base.prompt.rstrip(), asked_for(comment)]))
    return replace(base, prompt=prompt, answers=comment)


def read_draft(
    data: QueryDict, project: Project, base: ShotDraft
) -> tuple[ShotDraft, dict[str, str]]:
    """Read a posted form, or an address, over `base`; return the draft and a sentence per bad field.

    A field that is missing or bad keeps its value from `base`. At most one query for each end and
    one for the clip of which this is another take.
    """
    reader = _Reader(data, project)
    draft = replace(
        base,
        # Browsers send line ends as two characters, which would count against the limit.
        prompt=str(data.get("prompt", base.prompt)),
        concepts=reader.concepts(base.concepts),
        duration_s=reader.choice("duration_s", "Length", LENGTHS_S, base.duration_s, "{} s"),
        aspect_ratio=reader.choice("aspect_ratio", "Shape", ASPECT_RATIOS, base.aspect_ratio),
        resolution=reader.choice("resolution", "Resolution", RESOLUTIONS, base.resolution),
        loop=reader.choice("loop", "Loop", (0, 1), int(base.loop)) == 1,
        takes=reader.choice("takes", "Takes", TAKES, base.takes),
        style=reader.choice("style", "Project style", (0, 1), int(base.style)) == 1,
        style_notes=project.style_notes,
        drafts=reader.choice("drafts", "Drafts", (0, 1), int(base.drafts)) == 1,
        draft_offer=data.get("draft_offer", base.draft_offer),
        offer=data.get("offer", base.offer),
        offer_was=data.get("offer_was", base.offer_was),
        start=reader.end("start", base.start),
        end=reader.end("end", base.end),
        take_of=reader.clip("take_of") or base.take_of,
        answers=reader.comment("answers") or base.answers,
        joining=read_joining(data, project, base.joining),
        request_token=_uuid(data.get("request_token")) or base.request_token,
    )
    return draft, reader.errors


def swapped(draft: ShotDraft) -> ShotDraft:
    """Return the draft with its two ends exchanged."""
    joining = replace(draft.joining, follows=draft.end.generation)
    return replace(draft, start=draft.end, end=draft.start, joining=joining)


class _Reader:
    """Reads one form; keeps a sentence for each field it could not use."""

    def __init__(self, data: QueryDict, project: Project) -> None:
        self.data, self.project = data, project
        self.errors: dict[str, str] = {}

    def choice(
        self, name: str, label: str, allowed: Sequence[Choice], base: Choice, words: str = "{}"
    ) -> Choice:
        raw = self.data.get(name)  # the last: a ticked box follows its hidden "no"
        if raw is None:
            return base
        found = next((value for value in allowed if str(value) == raw), None)
        if found is not None:
            return found
        offered = listed([words.format(size_label(str(value))) for value in allowed])
        self.errors[name] = f"{label} is “{raw[:20]}”; it must be {offered}."
        return base

    def concepts(self, base: tuple[str, ...]) -> tuple[str, ...]:
        # No box is ticked in a form that has the camera list: that is an answer, not silence.
        if "concepts" not in self.data and "prompt" not in self.data:
            return base
        asked = list(dict.fromkeys(slug for slug in self.data.getlist("concepts") if slug))
        unknown = [slug[:40] for slug in asked if slug not in camera.CONCEPTS]
        if unknown:
            self.errors["concepts"] = (
                f"There is no camera concept “{listed(unknown)}”. "
                f"Pick from the {len(camera.CONCEPTS)} in the camera list."
            )
        return tuple(slug for slug in asked if slug in camera.CONCEPTS)

    def end(self, name: str, base: End) -> End:
        """Read `start` (a still's code) and `start_clip` (a clip's code), or the same for the end."""
        if name not in self.data and f"{name}_clip" not in self.data:
            return base
        keyframe: Keyframe | None = None
        generation: Generation | None = None
        if raw := self.data.get(name):
            if code := _uuid(raw):
                keyframe = Keyframe.objects.filter(project=self.project, code=code).first()
            if keyframe is None:
                self.errors[name] = (
                    f"The {name} frame is no longer among this project’s stills. Add it again."
                )
        if raw := self.data.get(f"{name}_clip"):
            generation = self.clip(f"{name}_clip")
            if generation is None or generation.is_terminal and not generation.is_clip:
                self.errors[name] = f"The {name} clip is not a rendered clip of this project."
                generation = None
        return End(keyframe, generation)

    def clip(self, name: str) -> Generation | None:
        code = _uuid(self.data.get(name))
        if code is None:
            return None
        rows = Generation.objects.select_related("account", "start_keyframe", "end_keyframe")
        return rows.filter(project=self.project, code=code).first()

    def comment(self, name: str) -> Comment | None:
        code = _uuid(self.data.get(name))
        if code is None:
            return None
        rows = Comment.objects.select_related("generation", "author")
        return rows.filter(generation__project=self.project, code=code).first()


def _uuid(raw: str | None) -> UUID | None:
    try:
        return UUID(raw or "")
    except ValueError:
        return None
