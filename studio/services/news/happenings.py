"""From what happened to the feed, the people it concerns, and the webhooks. Called by receivers.

Each writes in the transaction of the happening.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Count

from studio.amounts import money
from studio.lifecycle import Move
from studio.models import (
    Activity,
    BulkItem,
    BulkRun,
    Chain,
    Comment,
    Export,
    Generation,
    Guest,
    ImportRun,
    Notification,
    Project,
    Share,
    SpendRequest,
    User,
)
from studio.models.generation import State
from studio.services.money.warnings import Warning
from studio.services.news import deliveries
from studio.services.news.activity import Kind, Reason, Telling, owners, record, short, tell
from studio.services.news.lines import TAKEN_BACK, VERDICTS, clips_in_words
from studio.services.review.mentions import words_of

ENDINGS = {
    State.SUCCEEDED: (Kind.FINISHED, Reason.FINISHED),
    State.FAILED: (Kind.FAILED, Reason.FAILED),
}


# ---- Shots ------------------------------------------------------------------------------
def shots_queued(generations: Sequence[Generation], actor: User) -> None:
    """One line for all that were asked for at once."""
    first = generations[0]
    record(
        Kind.QUEUED,
        project_id=first.project_id,
        actor=actor,
        generation=first,
        count=len(generations),
        takes=all(g.shot == first.shot for g in generations),
    )


def shots_ended(moves: Sequence[Move], actor: User | None) -> None:
    """A line for each shot that was finished or failed; six queries for any number of them."""
    said = {m.pk: short(str(m.changes.get("failure_text", m.reason))) for m in moves}
    kinds = {m.pk: ENDINGS[State(m.new)] for m in moves}
    rendered = {m.pk for m in moves if m.changes.get("failure_code") == "media"}
    rows = Generation.objects.filter(pk__in=said).order_by("pk").values_list("pk", "project", "by")
    made = [
        Activity(
            project_id=project_id,
            generation_id=pk,
            actor_id=by_id,  # whose shot it is: nobody did it
            kind=kinds[pk][0],
            text=said[pk] if kinds[pk][0] == Kind.FAILED else "",
            data={"rendered": True} if pk in rendered else {},
        )
        for pk, project_id, by_id in rows
    ]
    Activity.objects.bulk_create(made)
    tellings = (
        (a.actor_id, a, kinds[a.generation_id][1]) for a in made if a.actor_id and a.generation_id
    )
    tell(tellings, but=actor.pk if actor else None)
    deliveries.announce(made)


# ---- Review -----------------------------------------------------------------------------
def comment_made(
    generation: Generation, comment: Comment, actor: User | None, guest: Guest | None = None
) -> None:
    """Tell who was mentioned, who is answered, and whose clip it is; each once."""
    activity = record(
        Kind.COMMENT,
        project_id=generation.project_id,
        actor=actor,
        guest_name="" if actor else comment.guest_name or (guest.name if guest else ""),
        generation=generation,
        comment=comment,
        text=words_of(comment),
        reply=comment.parent_id is not None,
    )
    told: list[Telling] = [
        (pk, activity, Reason.MENTION) for pk in comment.mentions.values_list("pk", flat=True)
    ]
    if comment.parent_id is not None:
        thread = Comment.objects.filter(pk=comment.parent_id) | Comment.objects.filter(
            parent=comment.parent_id
        )
        authors = thread.exclude(author=None).order_by("pk").values_list("author", flat=True)
        told += [(pk, activity, Reason.REPLY) for pk in authors if pk]
    told.append((generation.by_id, activity, Reason.COMMENT))
    tell(told, but=actor.pk if actor else None)
    deliveries.announce([activity])


def comment_edited(comment: Comment, mentioned: Sequence[User], actor: User | None) -> None:
    """Quote the new words, and tell whom only they mention."""
    activity = Activity.objects.filter(kind=Kind.COMMENT, comment=comment).order_by("pk").first()
    if activity is None:
        return
    Activity.objects.filter(pk=activity.pk).update(text=short(words_of(comment)))
    told = [(user.pk, activity, Reason.MENTION) for user in mentioned]
    tell(told, but=actor.pk if actor else None)


def verdict_given(
    generation: Generation,
    verdict: str,
    actor: User | None,
    guest: Guest | None = None,
    comment: Comment | None = None,
) -> None:
    """Tell whose clip it is. A verdict taken back is in the feed only."""
    activity = record(
        Kind.VERDICT,
        project_id=generation.project_id,
        actor=actor,
        guest_name=guest.name if guest else "",
        generation=generation,
        comment=comment,
        text=words_of(comment) if comment else "",
        verdict=verdict,
    )
    if comment is not None:
        # The verdict brings its comment along: not two lines of one act.
        spoken = Notification.objects.filter(activity__comment=comment, reason=Reason.COMMENT)
        spoken.filter(user=generation.by_id, read_at=None).delete()
    if verdict:
        told = [(generation.by_id, activity, Reason.VERDICT)]
        tell(told, but=actor.pk if actor else None)
    deliveries.announce([activity])


def verdicts_changed(verdicts: dict[int, str], actor: User, comments: dict[int, Comment]) -> None:
    """Send the webhooks' messages of many verdicts at once; three queries for any number."""
    projects = dict(Generation.objects.filter(pk__in=verdicts).values_list("pk", "project"))
    made = []
    for pk, verdict in verdicts.items():
        said: dict[str, Any] = {"project_id": projects[pk], "generation_id": pk, "actor": actor}
        if pk in comments:
            made.append(Activity(kind=Kind.COMMENT, comment=comments[pk], **said))
        made.append(Activity(kind=Kind.VERDICT, data={"verdict": verdict}, **said))
    deliveries.announce_unlisted(made)


# ---- Shares, chains, films ----------------------------------------------------------------
def share_made(share: Share, actor: User) -> None:
    record(
        Kind.SHARED,
        project_id=share.project_id,
        actor=actor,
        chain=share.chain,
        text=share.title,
        clips=share.generations.count(),
        share=str(share.code),
    )


def share_visited(share: Share, guest: Guest | None) -> None:
    record(
        Kind.VISITED,
        project_id=share.project_id,
        guest_name=guest.name if guest else "",
        chain=share.chain,
        text=share.title,
        share=str(share.code),
    )


def chain_made(chain: Chain) -> None:
    record(
        Kind.CHAINED,
        project_id=chain.project_id,
        actor=chain.created_by,
        chain=chain,
        branch=chain.branched_from_id is not None,
    )


def film_made(export: Export) -> None:
    """A film is ready to be downloaded."""
    record(
        Kind.EXPORTED,
        project_id=export.chain.project_id,
        actor=export.created_by,
        chain=export.chain,
        version=export.options.get("version", 1),
    )


# ---- People, settings, money ----------------------------------------------------------------
def member_changed(project_id: int, *, actor: User | None, text: str) -> None:
    """`text` goes on after the actor's name: “made Bob an editor”."""
    record(Kind.MEMBER, project_id=project_id, actor=actor, text=text)


SETTINGS = {
    "name": "name",
    "description": "description",
    "aspect_ratio": "shape",
    "duration_s": "length",
    "resolution": "resolution",
    "failover_microusd": "take-over by another provider",
    "embed_provenance": "writing of provenance",
    "slate": "slate",
    "style_notes": "style notes",
    "ask_above_microusd": "limit for asking first",
}


def settings_of(project: Project) -> dict[str, object]:
    """Return what `settings_changed` compares. Take it before a form writes into the project."""
    return {name: getattr(project, name) for name in (*SETTINGS, "budget_microusd")}


def settings_changed(project: Project, *, before: dict[str, object], actor: User) -> None:
    """Note which settings are not what they were; a new budget is a line of its own."""
    limit = project.budget_microusd
    if limit != before["budget_microusd"]:
        text = "took the budget’s limit away"
        if limit is not None:
            text = f"set the budget to {money(limit)} a month"
        record(Kind.SPEND, project_id=project.pk, actor=actor, text=text)
    changed = [words for name, words in SETTINGS.items() if getattr(project, name) != before[name]]
    if changed:
        text = f"changed the project’s {_listed(changed)}"
        record(Kind.SETTINGS, project_id=project.pk, actor=actor, text=text)


def project_archived(project: Project, *, actor: User, back: bool = False) -> None:
    text = "brought the project back" if back else "archived the project"
    record(Kind.SETTINGS, project_id=project.pk, actor=actor, text=text)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


Deed = BulkRun.Action
DEEDS = {
    Deed.RATE: "rated {}",
    Deed.TAG: "tagged {}",
    Deed.UNTAG: "took a tag off {}",
    Deed.CHAIN: "put {} in a chain",
    Deed.COLLECT: "put {} in a collection",
    Deed.ARCHIVE: "archived {}",
    Deed.RESTORE: "brought back {}",
    Deed.DELETE: "deleted {}",
    Deed.RETRY: "tried {} again",
}


def bulk_done(run: BulkRun, actor: User, *, undone: bool = False) -> None:
    if run.action == Deed.VERDICT:
        _verdicts_done(run, actor, undone=undone)
        return
    text = DEEDS[Deed(run.action)].format(clips_in_words(run.done))
    record(
        Kind.BULK,
        project_id=run.project_id,
        actor=actor,
        text=f"took back: {text}" if undone else text,
        run=str(run.code),
    )


def _verdicts_done(run: BulkRun, actor: User, *, undone: bool) -> None:
    """Tell of many verdicts once: each maker how many of theirs, whoever was mentioned of all.

    Of a few everybody was told one by one. What is taken back is not news in anybody's bell.
    """
    outcome = BulkItem.Outcome.UNDONE if undone else BulkItem.Outcome.DONE
    changed = run.items.filter(outcome=outcome, before__has_key="given")
    makers = dict(changed.order_by().values_list("generation__by").annotate(count=Count("pk")))
    if not makers or (run.tells_of_each and not undone):
        return
    verdict, total = run.params["verdict"], sum(makers.values())
    words = f"{VERDICTS.get(verdict, TAKEN_BACK)} {clips_in_words(total)}"
    if undone:
        record(
            Kind.BULK,
            project_id=run.project_id,
            actor=actor,
            text=f"took back: {words}",
            run=str(run.code),
            verdict="",
        )
        told = Notification.objects.filter(read_at=None, activity__kind=Kind.BULK)
        told.filter(activity__project=run.project_id, activity__data__run=str(run.code)).delete()
        return
    activity = record(
        Kind.BULK,
        project_id=run.project_id,
        actor=actor,
        text=words,
        run=str(run.code),
        verdict=verdict,
        note=short(run.params["note"]),
        makers=makers,
    )
    said = changed.values_list("before__comment", flat=True).first()
    mentioned = User.objects.filter(mentioned_in=said) if said else User.objects.none()
    tellings: list[Telling] = [(user.pk, activity, Reason.MENTION) for user in mentioned]
    if verdict:
        tellings += [(pk, activity, Reason.VERDICT) for pk in makers]
    tell(tellings, but=actor.pk)


def import_ended(run: ImportRun) -> None:
    """Tell who asked for it. Long after the upload it goes on without them: their own news too."""
    done = run.state == ImportRun.State.DONE
    activity = record(
        Kind.BULK,
        project_id=run.project_id,
        text=f"{run.by.name}’s import of “{run.file_name}” "
        + (f"is done: {clips_in_words(run.clips)}" if done else "stopped early"),
        note=short(run.failure_text),
        imported=str(run.code),
    )
    tell([(run.by_id, activity, Reason.FINISHED if done else Reason.FAILED)])


def spend_asked(request: SpendRequest, actor: User) -> None:
    """Tell the project's owners that somebody asks."""
    activity = record(
        Kind.SPEND,
        project_id=request.project_id,
        actor=actor,
        text=f"asks to spend {request.price_text}"
        + (f": {request.reason}" if request.reason else ""),
        request=str(request.code),
    )
    tell([(pk, activity, Reason.SPEND) for pk in owners(request.project_id)], but=actor.pk)


ANSWERS = {
    SpendRequest.State.OPEN: "looked at",
    SpendRequest.State.APPROVED: "approved",
    SpendRequest.State.REFUSED: "refused",
    SpendRequest.State.WITHDRAWN: "withdrew the wish for",
}


def spend_decided(request: SpendRequest, actor: User) -> None:
    """Tell who asked."""
    activity = record(
        Kind.SPEND,
        project_id=request.project_id,
        actor=actor,
        text=f"{ANSWERS[SpendRequest.State(request.state)]} "
        f"{request.price_text} for {request.by.name}"
        + (f": {request.decision_note}" if request.decision_note else ""),
        request=str(request.code),
    )
    tell([(request.by_id, activity, Reason.SPEND)], but=actor.pk)


def budget_warned(warning: Warning) -> None:
    """Tell the owners, and whoever it is whose own budget it is, that most of it is used."""
    budget, person = warning.budget, warning.person
    whose = f"{person.name} has used" if person else "The project has used"
    which = "their own budget" if person else "its budget"
    activity = record(
        Kind.SPEND,
        project_id=warning.project_id,
        text=f"{whose} {warning.percent} % of {which} for {budget.month}: "
        f"{money(budget.spent)} of {money(budget.limit)}",
        warned=warning.key,
        month=warning.month,
        whose=person.name if person else "",
        percent=warning.percent,
        spent_microusd=budget.spent,
        limit_microusd=budget.limit,
    )
    told = [*([person.pk] if person else []), *owners(warning.project_id)]
    tell([(pk, activity, Reason.SPEND) for pk in told])
    deliveries.announce([activity])
