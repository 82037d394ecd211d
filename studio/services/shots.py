"""Asking for shots, and what people do with them before and after they are rendered."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from typing import Literal

from django.db import transaction
from django.db.models import Max, Min
from django.utils import timezone

from studio import lifecycle
from studio.incoming_text import cut, tidy_line
from studio.models import (
    Chain,
    Comment,
    Generation,
    Keyframe,
    Project,
    ProviderAccount,
    Segment,
    User,
)
from studio.models.generation import MOVING_STATES, State, title_from
from studio.providers.catalog import (
    REFUSE,
    ModelSpec,
    UnknownModel,
    Wish,
    get_spec,
    problems,
    sent_prompt,
)
from studio.providers.wishes import written
from studio.queue import enqueue, wake_sweep
from studio.services import chains, disk, quotas
from studio.services.errors import StudioError
from studio.services.money.agreement import COSTS_MORE, accept_price_now, check_quoted, release
from studio.services.money.limits import limit_on, lock_studio
from studio.services.money.offers import wish_at
from studio.services.money.quotes import PriceTable, quote_for
from studio.services.project_rights import check_buyer, check_offered

MAX_TAKES = 4
NO_NUMBER_LEFT = (
    "This project has no number left for another clip, or this shot none for another take: an import "
    "brought in very high ones. Nothing was sent. Make the shot in a new project."
)
RETRIABLE_STATES = frozenset({State.FAILED, State.CANCELLED, State.ABANDONED})


@dataclass(frozen=True, kw_only=True)
class NewShot:
    """What somebody asks for. The two ends mirror Luma's frame0 and frame1."""

    prompt: str
    account: ProviderAccount
    model: str
    concepts: tuple[str, ...] = ()
    duration_s: int = 5
    aspect_ratio: str = "16:9"
    resolution: str = "720p"
    loop: bool = False
    start_keyframe: Keyframe | None = None
    start_generation: Generation | None = None
    end_keyframe: Keyframe | None = None
    end_generation: Generation | None = None
    takes: int = 1
    title: str = ""
    style_notes: str = ""  # the project's, added to the prompt
    shot: uuid.UUID | None = None  # another take of this shot
    answers: Comment | None = None  # the comment on that shot it is made for
    retry_of: Generation | None = None
    master: dict[str, object] = field(default_factory=dict)  # of a draft: what its master would be
    request_token: uuid.UUID = field(default_factory=uuid.uuid4)
    chain: Chain | None = None  # the chain its neighbours are looked for in
    branch: bool = False  # another continuation, although the chain already goes on
    after: Generation | None = None  # stands after this clip, but starts from its own picture
    segment: Segment | None = None  # another take that is to stand in this segment's place
    quoted_microusd: int | None = None  # of one take, as it was shown; None = no price was shown

    def wish(self) -> Wish:
        """Return this shot as the catalogue asks about it, at its account."""
        start = _end_kind(self.start_keyframe, self.start_generation)
        end = _end_kind(self.end_keyframe, self.end_generation)
        return wish_at(
            self.account,
            Wish(
                prompt=written(self.prompt, self.style_notes),
                concepts=self.concepts,
                duration_s=self.duration_s,
                aspect_ratio=self.aspect_ratio,
                resolution=self.resolution,
                loop=self.loop,
                start=start,
                end=end,
            ),
            start=self.start_generation,
            end=self.end_generation,
        )


def _end_kind(
    keyframe: Keyframe | None, generation: Generation | None
) -> Literal["image", "generation"] | None:
    if generation is not None:
        return "generation"
    return "image" if keyframe is not None else None


class OverLimit(StudioError):
    """A shot that costs more than may be spent. `ask`: an owner of the project may allow it."""

    def __init__(self, message: str, *, ask: bool) -> None:
        super().__init__(message, field="offer")
        self.ask = ask


def create_shots(
    *, project: Project, by: User, new: NewShot, approved: bool = False
) -> list[Generation]:
    """Queue one generation per take and return them, in take order.

    The same request token a second time returns what the first time made: nothing is bought twice.
    `approved`: an owner has allowed what it costs. Raises StudioError, with the form field, when a
    rule is broken (OverLimit for money, PriceChanged for a price above the quoted one); then
    nothing was queued.
    """
    check_buyer(project, by)
    spec = _checked(project, new)
    if spec.local:
        # A previs reads no prompt; its title card shows the person's own words.
        new = replace(new, style_notes="")
    price = quote_for(spec, new.wish(), new.account, PriceTable.load())
    short = disk.shortage()
    with transaction.atomic():
        # The project's row is the lock: budget, take numbers and the token are read under it.
        locked = Project.objects.select_for_update().get(pk=project.pk)
        made = list(
            Generation.objects.filter(project=project, request_token=new.request_token).order_by(
                "request_index"
            )
        )
        if made:
            return made
        if short:
            raise disk.NoRoom(short)
        check_quoted(new.quoted_microusd, price, new.takes)
        if not spec.free:
            lock_studio()
        limit = limit_on(
            project=locked,
            by=by,
            account=new.account,
            spec=spec,
            microusd=price.microusd * new.takes,
            certainty=price.certainty,
        )
        if limit is not None and not (approved and limit.ask):
            raise OverLimit(limit.sentence, ask=limit.ask)
        if spec.local:
            # No budget ends what costs nothing: only this does.
            for _ in range(new.takes):
                quotas.take(quotas.PREVIS, by)
        shot = new.shot or uuid.uuid4()
        # A shot of its own answers nothing: the comment would point away from its takes.
        answers = new.answers if new.answers and new.answers.generation.shot == shot else None
        last = Generation.objects.filter(shot=shot).aggregate(last=Max("take"))["last"] or 0
        generations = [
            Generation(
                project=project,
                by=by,
                title=cut(new.title.strip(), 120).strip() or title_from(new.prompt),
                prompt=new.prompt.strip(),
                style_notes=new.style_notes,
                sent_prompt=sent_prompt(spec, written(new.prompt, new.style_notes), new.concepts),
                concepts=list(new.concepts),
                duration_s=new.duration_s,
                aspect_ratio=new.aspect_ratio,
                resolution=new.resolution,
                loop=new.loop,
                provider=spec.provider,
                model=spec.id,
                account=new.account,
                shot=shot,
                take=last + 1 + index,
                retry_of=new.retry_of,
                answers_comment=answers,
                master=new.master,
                request_token=new.request_token,
                request_index=index,
                start_keyframe=new.start_keyframe,
                start_generation=new.start_generation,
                end_keyframe=new.end_keyframe,
                end_generation=new.end_generation,
                estimated_microusd=price.microusd,
                estimate_kind=price.kind,
                estimated_credits=price.credits,
                credit_unit=price.unit,
            )
            for index in range(new.takes)
        ]
        try:
            lifecycle.create(generations, actor=by)
        except lifecycle.NumbersUsedUp:
            raise StudioError(NO_NUMBER_LEFT) from None
        if new.segment is not None:
            chains.replace_segment(segment=new.segment, generation=generations[0])
        elif new.retry_of is not None:
            chains.take_place_of(old=new.retry_of, new=generations[0])
        elif new.shot is None:
            # Further takes of one continuation are takes of it, not segments after it.
            chains.attach(
                generation=generations[0],
                by=by,
                chain=new.chain,
                branch=new.branch,
                after=new.after,
            )
        for _ in generations:
            enqueue("submit_next", new.account.pk)
        wake_sweep(new.account.pk)
    return generations


def _checked(project: Project, new: NewShot) -> ModelSpec:
    if project.archived_at:
        raise StudioError(
            "This project is archived. Bring it back in its settings to make new shots."
        )
    try:
        spec = get_spec(new.account.provider, new.model)
    except UnknownModel as error:
        raise StudioError(str(error), field="offer") from error
    if spec.gone:
        raise StudioError(
            f"{spec.provider_label} no longer offers {spec.label}. Choose another model.",
            field="offer",
        )
    if not new.account.enabled or not (spec.local or new.account.has_key):
        raise StudioError(
            f"{spec.provider_label} cannot be used: its account is switched off or has no key.",
            field="offer",
        )
    check_offered(project, new.account)
    if not 1 <= new.takes <= MAX_TAKES:
        raise StudioError(f"Takes is {new.takes}; it must be from 1 to {MAX_TAKES}.", field="takes")
    for end, keyframe, generation in (
        ("start", new.start_keyframe, new.start_generation),
        ("end", new.end_keyframe, new.end_generation),
    ):
        if keyframe and keyframe.project_id != project.pk:
            raise StudioError(f"The {end} frame is not a still of this project.", field=end)
        if generation and generation.project_id != project.pk:
            raise StudioError(f"The {end} clip is not a clip of this project.", field=end)
        if generation and generation.deleted_at is not None:
            raise StudioError(f"The {end} clip is in the bin. Restore it first.", field=end)
        if generation and generation.is_terminal and not generation.is_clip:
            raise StudioError(
                f"The {end} clip was not rendered, so nothing can join it.", field=end
            )
        # Cut from it, or equal to the frame to the last pixel: a picture is stored once.
        if keyframe and generation and keyframe.grabbed_from_id is None:
            raise StudioError(f"The {end} frame was not cut from that clip.", field=end)
    if new.after and new.after.project_id != project.pk:
        raise StudioError("The clip it is to follow is not a clip of this project.", field="start")
    for problem in problems(spec, new.wish()):
        if problem.severity == REFUSE:
            raise StudioError(problem.message, field=problem.field)
    return spec


def same_shot(generation: Generation) -> NewShot:
    """Return this shot as it would be asked for again: the next take, everything unchanged."""
    return NewShot(
        prompt=generation.prompt,
        style_notes=generation.style_notes,
        title=generation.title,
        account=generation.account,
        model=generation.model,
        concepts=tuple(generation.concepts),
        duration_s=generation.duration_s,
        aspect_ratio=generation.aspect_ratio,
        resolution=generation.resolution,
        loop=generation.loop,
        start_keyframe=generation.start_keyframe,
        start_generation=generation.start_generation,
        end_keyframe=generation.end_keyframe,
        end_generation=generation.end_generation,
        shot=generation.shot,
        answers=generation.answers_comment,
    )


def retry(
    *,
    generation: Generation,
    by: User,
    request_token: uuid.UUID,
    quoted_microusd: int | None = None,
) -> Generation:
    """Ask again for a shot that failed or was cancelled, in its place.

    The new one is the next take of the same shot; the old card leaves the gallery but is kept.
    Asked for twice, from two tabs perhaps, it returns the first one's while that is not over.
    """
    if generation.state not in RETRIABLE_STATES:
        raise StudioError("Only a shot that failed or was cancelled can be tried again.")
    new = replace(
        same_shot(generation),
        retry_of=generation,
        request_token=request_token,
        quoted_microusd=quoted_microusd,
    )
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=generation.project_id)
        under_way = generation.retries.exclude(state__in=RETRIABLE_STATES).first()
        if under_way is not None:
            return under_way
        (fresh,) = create_shots(project=generation.project, by=by, new=new)
        lifecycle.touch(generation.pk, archived_at=timezone.now())
    return fresh


def cancel(*, generation: Generation, by: User) -> bool:
    """Stop a shot where that costs nothing: in the queue, or a render on this machine.

    One that waits to be sent again may have arrived already: it is sent no more, and looked for.
    """
    if lifecycle.cancel(generation.pk, actor=by):
        return True
    if lifecycle.mark_uncertain(
        generation.pk, old=State.QUEUED, actor=by, reason="stopped; an earlier try may have arrived",
        text="You stopped it, but an earlier try may have arrived and may be charged. "
        "Nothing is sent again by itself.",
        next_poll_at=timezone.now(),
    ):  # fmt: skip
        wake_sweep(generation.account_id)
        return True
    spec = get_spec(generation.provider, generation.model)
    if spec.local and lifecycle.move(
        generation.pk, State.CANCELLED, old=State.RUNNING, actor=by, reason="stopped", charged="no"
    ):
        # The render notices at its next frame; its place goes to the next in line.
        enqueue("submit_next", generation.account_id)
        return True
    return False


def archive(*, generations: list[Generation]) -> None:
    """Take clips out of the gallery; `restore` brings them back. Nothing is deleted."""
    for generation in generations:
        if generation.state in MOVING_STATES:
            raise StudioError(f"“{generation.title}” is still in flight. Cancel it first, or wait.")
    for generation in generations:
        lifecycle.touch(generation.pk, archived_at=timezone.now())


def restore(*, generations: list[Generation]) -> None:
    """Bring archived clips back into the gallery. What was deleted comes back from the bin only."""
    for generation in generations:
        if generation.deleted_at is not None:
            raise StudioError(f"“{generation.title}” is in the bin. Restore it from there.")
    for generation in generations:
        lifecycle.touch(generation.pk, archived_at=None)


def rename(*, generation: Generation, title: str) -> None:
    """Give a clip another title; 1 to 120 characters."""
    title = tidy_line(title)
    if not 1 <= len(title) <= 120:
        raise StudioError(
            f"The title has {len(title)} characters; 1 to 120 are allowed.", field="title"
        )
    lifecycle.touch(generation.pk, title=title)


# ---- The line ---------------------------------------------------------------------------


def hold(
    *,
    generation: Generation,
    held: bool,
    quoted_microusd: int | None = None,
) -> None:
    """Keep a waiting shot from being sent, or let it go on.

    One that was held because its price had risen goes on at the price it has now; dearer than was
    shown (`quoted_microusd`), over a budget or not allowed any more, it stays. Raises StudioError then.
    """
    if generation.state != State.QUEUED:
        raise StudioError("Only a shot that still waits can be held.")
    if not held and generation.waiting_text.startswith(COSTS_MORE):
        accept_price_now(generation, shown=quoted_microusd)
    elif not held:
        release(generation)
    else:
        lifecycle.touch(generation.pk, held=True)
    if not held:
        enqueue("submit_next", generation.account_id)
        wake_sweep(generation.account_id)


def move_in_line(*, generation: Generation, first: bool) -> None:
    """Put a waiting shot before (or after) the person's other waiting shots at this account."""
    if generation.state != State.QUEUED:
        raise StudioError("Only a shot that still waits can be moved.")
    ranks = Generation.objects.filter(
        account=generation.account_id, state=State.QUEUED, by=generation.by_id
    ).aggregate(first=Min("queue_rank"), last=Max("queue_rank"))
    rank = (ranks["first"] or 0) - 1 if first else (ranks["last"] or 0) + 1
    lifecycle.touch(generation.pk, queue_rank=rank)
