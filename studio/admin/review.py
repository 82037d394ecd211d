"""Comments, the verdicts people gave, and who looked when."""

from __future__ import annotations

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from studio import lifecycle
from studio.admin.base import ReadOnlyAdmin, chip, link
from studio.admin.filters import when_empty
from studio.models import Comment, GivenVerdict, Seen
from studio.models.generation import Verdict
from studio.services.review.drawing import describe_drawing
from studio.services.review.mentions import words_of
from studio.templatetags.studio_tags import timecode


@admin.register(Comment)
class CommentAdmin(ReadOnlyAdmin[Comment]):
    """What was said; an unfit comment may be taken away, never reworded."""

    title = "Comments"
    list_display = ("said", "who", "clip", "at", "resolved", "created")
    list_filter = (
        when_empty("resolved_at", "resolved", empty="Open", filled="Resolved"),
        when_empty("guest_name", "said by", empty="Members", filled="Guests"),
        "created_at",
    )
    search_fields = ("text", "guest_name", "author__name", "author__email", "generation__title")
    code_columns = ("code", "generation__code")
    ordering = ("-created_at", "-pk")
    date_hierarchy = "created_at"
    fields = ("words", "drawn", "answers", "who", "clip", "at", "resolved", "made_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Comment]:
        rows = super().get_queryset(request).select_related("author", "generation", "resolved_by")
        rows = rows.select_related("parent").prefetch_related("mentions", "parent__mentions")
        return rows.defer("generation__raw_answer", "generation__prompt", "generation__sent_prompt")

    @admin.display(description="Comment", ordering="text")
    def said(self, obj: Comment) -> str:
        return Truncator(_typed(obj)).chars(90)

    @admin.display(description="Words")
    def words(self, obj: Comment) -> str:
        return _typed(obj)

    @admin.display(description="Drawn on the frame")
    def drawn(self, obj: Comment) -> str:
        return describe_drawing(obj.drawing) or "—"

    @admin.display(description="Replies to")
    def answers(self, obj: Comment) -> str | SafeString:
        if obj.parent is None:
            return "—"
        return link(obj.parent, Truncator(_typed(obj.parent)).chars(60))

    @admin.display(description="By")
    def who(self, obj: Comment) -> str | SafeString:
        return link(obj.author) if obj.author_id else f"{obj.guest_name} (guest)"

    @admin.display(description="Clip")
    def clip(self, obj: Comment) -> str | SafeString:
        return link(obj.generation)

    @admin.display(description="At", ordering="at_ms")
    def at(self, obj: Comment) -> str:
        return timecode(obj.at_ms) or "the whole clip"

    @admin.display(description="Resolved", ordering="resolved_at")
    def resolved(self, obj: Comment) -> SafeString:
        if obj.resolved_at is None:
            return chip("Open", "wait")
        return chip(f"By {obj.resolved_by}" if obj.resolved_by_id else "Resolved", "ok")

    def has_delete_permission(self, request: HttpRequest, obj: Comment | None = None) -> bool:
        name = f"{self.opts.app_label}.delete_comment"
        return bool(request.user.has_perm(name))

    def delete_model(self, request: HttpRequest, obj: Comment) -> None:
        with transaction.atomic():
            obj.delete()
            lifecycle.touch(obj.generation_id)


@admin.register(GivenVerdict)
class GivenVerdictAdmin(ReadOnlyAdmin[GivenVerdict]):
    """Who judged which take how. Kept for ever; the newest of each person counts."""

    title = "Verdicts"
    list_display = ("clip", "said", "who", "counts", "at")
    list_filter = ("verdict", "current", "at")
    search_fields = ("by__name", "by__email", "guest__name", "generation__title")
    code_columns = ("generation__code",)
    list_select_related = ("by", "guest", "generation", "comment")
    date_hierarchy = "at"
    fields = ("clip", "said", "who", "counts", "reason", "at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[GivenVerdict]:
        return super().get_queryset(request).defer("generation__raw_answer")

    @admin.display(description="Clip", ordering="generation__number")
    def clip(self, obj: GivenVerdict) -> str | SafeString:
        return link(obj.generation)

    @admin.display(description="Verdict", ordering="verdict")
    def said(self, obj: GivenVerdict) -> SafeString:
        if not obj.verdict:
            return chip("Taken back")
        approved = obj.verdict == Verdict.APPROVED
        return chip(obj.get_verdict_display(), "ok" if approved else "bad")

    @admin.display(description="By")
    def who(self, obj: GivenVerdict) -> str | SafeString:
        return link(obj.by) if obj.by_id else link(obj.guest)

    @admin.display(description="Counts", boolean=True, ordering="current")
    def counts(self, obj: GivenVerdict) -> bool:
        return obj.current and bool(obj.verdict)

    @admin.display(description="Because")
    def reason(self, obj: GivenVerdict) -> str | SafeString:
        return link(obj.comment, _typed(obj.comment)[:90]) if obj.comment else "—"


@admin.register(Seen)
class SeenAdmin(ReadOnlyAdmin[Seen]):
    """When somebody last saw what is said about a clip: younger comments are unread."""

    title = "Looks"
    list_display = ("user", "clip", "at")
    list_filter = ("at",)
    search_fields = ("user__name", "user__email", "generation__title")
    code_columns = ("generation__code",)
    list_select_related = ("user", "generation")
    fields = ("user", "clip", "at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Seen]:
        return super().get_queryset(request).defer("generation__raw_answer")

    @admin.display(description="Clip", ordering="generation__number")
    def clip(self, obj: Seen) -> str | SafeString:
        return link(obj.generation)


def _typed(comment: Comment) -> str:
    return words_of(comment)
