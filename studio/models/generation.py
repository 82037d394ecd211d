"""Generations: one request to one provider's model, its state, and its media."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from django.conf import settings
from django.db import connection, models
from django.db.models import F, Func, Q
from django.db.models.expressions import RawSQL
from django.utils import timezone
from django.utils.text import Truncator

from studio.amounts import Certainty, amount_text, certainty_of, least_certain
from studio.file_names import file_stem
from studio.incoming_text import cut
from studio.media.facts import CONTENT_TYPES
from studio.models.defaults import EMPTY_OBJECT


class State(models.TextChoices):
    """Where a generation is in its life. Drawn in studio.lifecycle."""

    QUEUED = "queued", "Queued"
    SUBMITTING = "submitting", "Sending"
    RUNNING = "running", "Rendering"
    STORING = "storing", "Saving"
    SUCCEEDED = "succeeded", "Ready"
    FAILED = "failed", "Failed"
    STALLED = "stalled", "Stalled"
    UNCERTAIN = "uncertain", "Unclear"
    CANCELLED = "cancelled", "Cancelled"
    ABANDONED = "abandoned", "Abandoned"


TERMINAL_STATES = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.ABANDONED})
ACTIVE_STATES = frozenset(set(State) - TERMINAL_STATES)
# In flight: moves by itself. The other active states wait for a person.
MOVING_STATES = frozenset({State.QUEUED, State.SUBMITTING, State.RUNNING, State.STORING})
# Holds a place at the provider, so it counts against an account's concurrent limit.
AT_PROVIDER_STATES = frozenset({State.SUBMITTING, State.RUNNING})


class Charged(models.TextChoices):
    """Whether the provider took money for it. Empty until it is terminal."""

    PENDING = "", "Not yet known"
    YES = "yes", "Charged"
    NO = "no", "Not charged"
    UNKNOWN = "unknown", "Unknown"


class Verdict(models.TextChoices):
    NONE = "", "No verdict"
    APPROVED = "approved", "Approved"
    NEEDS_CHANGES = "needs_changes", "Needs changes"


class Cost(Func):
    """What a clip cost or would, micro-USD, unknown as 0: `Generation.expected_microusd` in the database.

    The literals stand in the text and are not parameters: only so does SQLite see that an index on
    this expression is meant.
    """

    output_field = models.BigIntegerField()

    def __init__(self, *columns: Any, **extra: Any) -> None:
        super().__init__(
            *(columns or ("charged", "actual_microusd", "estimated_microusd")), **extra
        )

    def as_sql(
        self, compiler: Any, connection: Any, *args: Any, **context: Any
    ) -> tuple[str, tuple[str | int, ...]]:
        charged, actual, estimated = (compiler.compile(e)[0] for e in self.source_expressions)
        sql = f"(CASE WHEN {charged} = 'no' THEN 0 ELSE COALESCE({actual}, {estimated}, 0) END)"
        return sql, ()


class GenerationQuerySet(models.QuerySet["Generation"]):
    def visible(self) -> GenerationQuerySet:
        return self.filter(archived_at=None)

    def in_flight(self) -> GenerationQuerySet:
        return self.filter(state__in=MOVING_STATES)

    def among(self, pks: Iterable[int]) -> GenerationQuerySet:
        """Those with these pks. The list is one parameter: of hundreds, the ORM would make each one
        a parameter of its own, which takes longer than the query."""
        listed = list(pks)
        if connection.vendor == "postgresql":
            given = RawSQL("SELECT unnest(%s::bigint[])", [listed])
        else:
            given = RawSQL("SELECT value FROM json_each(%s)", [json.dumps(listed)])
        return self.filter(pk__in=given)

    def for_cards(self) -> GenerationQuerySet:
        """With what a card shows, in one query for any number of rows."""
        return self.select_related("project", "by", "start_keyframe", "end_keyframe").defer(
            "raw_answer"
        )


def _clip_folder(generation: Generation) -> str:
    return f"projects/{generation.project.code}/clips/{generation.code}"


def clip_path(generation: Generation, filename: str) -> str:
    return f"{_clip_folder(generation)}.mp4"


def poster_path(generation: Generation, filename: str) -> str:
    return f"{_clip_folder(generation)}-poster.webp"


def strip_path(generation: Generation, filename: str) -> str:
    return f"{_clip_folder(generation)}-strip.webp"


def preview_path(generation: Generation, filename: str) -> str:
    return f"{_clip_folder(generation)}-preview.mp4"


class Generation(models.Model):
    """One request to one provider's model: a shot before it is rendered, a clip once it plays.

    Made by studio.services.shots; moved by studio.lifecycle, the only writer of `state`.
    """

    State = State
    Charged = Charged
    Verdict = Verdict

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey("studio.Project", models.CASCADE, related_name="generations")
    number = models.PositiveIntegerField(editable=False)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="generations")

    # What was asked for.
    title = models.CharField(max_length=120, blank=True)
    prompt = models.TextField()
    # The text as it is sent, whole: style notes and camera phrase included.
    sent_prompt = models.TextField(blank=True)
    # What the provider was asked for, written before the call leaves; see services/requests.py.
    sent_request = models.JSONField(
        default=dict, db_default=EMPTY_OBJECT, blank=True, editable=False
    )
    # While it is uncertain: jobs at the provider that may be this shot's, for a person to choose from.
    job_candidates = models.JSONField(
        default=dict, db_default=EMPTY_OBJECT, blank=True, editable=False
    )
    concepts = models.JSONField(default=list, blank=True)
    duration_s = models.PositiveSmallIntegerField()
    aspect_ratio = models.CharField(max_length=5)
    resolution = models.CharField(max_length=5)
    loop = models.BooleanField(default=False)
    provider = models.CharField(max_length=20)
    model = models.CharField(max_length=60)
    account = models.ForeignKey(
        "studio.ProviderAccount", models.PROTECT, related_name="generations"
    )
    # Takes: generations of the same shot.
    shot = models.UUIDField(default=uuid.uuid4)
    take = models.PositiveSmallIntegerField(default=1)
    retry_of = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="retries"
    )
    # The clip whose comment this take answers, and the comment.
    answers_comment = models.ForeignKey(
        "studio.Comment", models.SET_NULL, null=True, blank=True, related_name="answers"
    )
    # The project's style notes as they were added to the prompt.
    style_notes = models.CharField(max_length=500, blank=True)
    # Where its pictures were uploaded: a resend with the same order number must say the same.
    uploads = models.JSONField(default=dict, blank=True, editable=False)
    # A draft remembers what its master would be: {"account", "model", "resolution", "duration_s"}.
    master = models.JSONField(default=dict, blank=True, editable=False)
    # The form's one-time token and the place within it: a form sent twice makes one generation.
    request_token = models.UUIDField(default=uuid.uuid4, editable=False)
    request_index = models.PositiveSmallIntegerField(default=0, editable=False)

    # The two ends. A keyframe beside a generation at the same end was cut from that generation.
    start_keyframe = models.ForeignKey(
        "studio.Keyframe", models.PROTECT, null=True, blank=True, related_name="starts"
    )
    start_generation = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="extensions"
    )
    end_keyframe = models.ForeignKey(
        "studio.Keyframe", models.PROTECT, null=True, blank=True, related_name="ends"
    )
    end_generation = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="prepends"
    )

    # Its life.
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED, editable=False)
    version = models.BigIntegerField(default=0, editable=False)
    queue_rank = models.BigIntegerField(default=0, editable=False)  # lower is sooner
    held = models.BooleanField(default=False, help_text="Waits in the queue until released")
    provider_job_id = models.CharField(max_length=1000, blank=True, editable=False)
    idempotency_key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)  # submits begun
    work_attempts = models.PositiveSmallIntegerField(
        default=0, editable=False
    )  # renders or downloads begun
    lease_token = models.CharField(max_length=32, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    submitted_at = models.DateTimeField(null=True, blank=True, editable=False)
    next_poll_at = models.DateTimeField(null=True, blank=True, editable=False)
    deadline_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)
    progress = models.PositiveSmallIntegerField(default=0, editable=False)  # percent
    raw_status = models.CharField(max_length=60, blank=True, editable=False)
    raw_answer = models.JSONField(default=dict, blank=True, editable=False)
    result_url = models.TextField(blank=True, editable=False)
    waiting_text = models.CharField(max_length=300, blank=True, editable=False)  # why it waits
    # What is wrong with the provider's answers about it now; shown on the card, gone with a good one.
    trouble = models.CharField(
        max_length=300, blank=True, default="", db_default="", editable=False
    )
    # What came of it could not be written: it is tried alone and seldom, and harms no other row.
    set_aside_at = models.DateTimeField(null=True, blank=True, editable=False)
    failure_code = models.CharField(max_length=40, blank=True, editable=False)
    failure_text = models.CharField(max_length=500, blank=True, editable=False)

    # Money.
    charged = models.CharField(
        max_length=8, choices=Charged, default=Charged.PENDING, blank=True, editable=False
    )
    estimated_microusd = models.BigIntegerField(null=True, blank=True, editable=False)
    actual_microusd = models.BigIntegerField(null=True, blank=True, editable=False)
    estimated_credits = models.FloatField(null=True, blank=True, editable=False)
    actual_credits = models.FloatField(null=True, blank=True, editable=False)
    credit_unit = models.CharField(max_length=20, blank=True, editable=False)
    # How its price was known: "published", "learned", or "ceiling" (then it costs at most so much).
    estimate_kind = models.CharField(max_length=9, blank=True, db_default="", editable=False)
    # The rate its credits were booked at, nano-USD; None where the provider told money itself.
    credit_nanousd = models.BigIntegerField(null=True, blank=True, editable=False)

    # The clip, as measured.
    clip = models.FileField(upload_to=clip_path, max_length=200, blank=True, editable=False)
    poster = models.FileField(upload_to=poster_path, max_length=200, blank=True, editable=False)
    strip = models.FileField(upload_to=strip_path, max_length=200, blank=True, editable=False)
    preview = models.FileField(upload_to=preview_path, max_length=200, blank=True, editable=False)
    width = models.PositiveIntegerField(null=True, blank=True, editable=False)
    height = models.PositiveIntegerField(null=True, blank=True, editable=False)
    duration_ms = models.PositiveIntegerField(null=True, blank=True, editable=False)
    fps = models.FloatField(null=True, blank=True, editable=False)
    size_bytes = models.PositiveBigIntegerField(null=True, blank=True, editable=False)
    sha256 = models.CharField(max_length=64, blank=True, editable=False)
    # Its MediaFacts as JSON. None: stored by an earlier version, and not measured again yet.
    media_facts = models.JSONField(null=True, blank=True, editable=False)

    # Judgement.
    rating = models.PositiveSmallIntegerField(default=0)
    verdict = models.CharField(max_length=14, choices=Verdict, default=Verdict.NONE, blank=True)
    verdict_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    verdict_at = models.DateTimeField(null=True, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)
    # In the bin: archived too, so it is gone from everywhere but the bin; its files are purged after
    # BIN_DAYS, its row stays for the sums.
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    deleted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        editable=False,
    )
    purged_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = GenerationQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=State.values), name="generation_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=sorted(TERMINAL_STATES), finished_at__isnull=False)
                | Q(state__in=sorted(ACTIVE_STATES), finished_at=None),
                name="generation_finished_when_terminal",
            ),
            models.CheckConstraint(
                condition=~Q(state="succeeded") | ~Q(clip=""), name="generation_succeeded_has_clip"
            ),
            models.CheckConstraint(
                condition=~Q(state="running") | ~Q(provider_job_id=""),
                name="generation_running_has_job",
            ),
            models.CheckConstraint(
                condition=Q(progress__lte=100), name="generation_progress_percent"
            ),
            models.CheckConstraint(condition=Q(rating__lte=5), name="generation_rating_five"),
            models.CheckConstraint(
                condition=Q(charged__in=Charged.values), name="generation_charged_known"
            ),
            models.CheckConstraint(
                condition=Q(actual_microusd=None) | Q(actual_microusd__gte=0),
                name="generation_actual_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(deleted_at=None) | Q(archived_at__isnull=False),
                name="generation_deleted_is_archived",
            ),
            # Luma refuses a loop with anything at its end; so does the studio, everywhere.
            models.CheckConstraint(
                condition=Q(loop=False) | Q(end_keyframe=None, end_generation=None),
                name="generation_loop_has_no_end",
            ),
            models.UniqueConstraint(fields=["project", "number"], name="generation_number_once"),
            models.UniqueConstraint(fields=["shot", "take"], name="generation_take_once"),
            models.UniqueConstraint(
                fields=["request_token", "request_index"], name="generation_asked_once"
            ),
            models.UniqueConstraint(
                fields=["account", "provider_job_id"],
                condition=~Q(provider_job_id=""),
                name="generation_job_once",
            ),
        ]
        indexes = [
            # The gallery: a project's visible clips, newest first, by key.
            models.Index(
                fields=["project", "-number"],
                condition=Q(archived_at=None),
                name="generation_gallery",
            ),
            # The gallery's filters and sorts, each newest first within, so that a page is read from
            # the index however many clips there are.
            models.Index(
                fields=["project", "state", "-number"],
                condition=Q(archived_at=None),
                name="generation_by_state",
            ),
            models.Index(
                fields=["project", "provider", "-number"],
                condition=Q(archived_at=None),
                name="generation_by_provider",
            ),
            models.Index(
                fields=["project", "by", "-number"],
                condition=Q(archived_at=None),
                name="generation_by_creator",
            ),
            models.Index(
                fields=["project", "-rating", "-number"],
                condition=Q(archived_at=None),
                name="generation_by_rating",
            ),
            models.Index(
                fields=["project", "verdict", "-number"],
                condition=Q(archived_at=None),
                name="generation_by_verdict",
            ),
            models.Index(
                fields=["project", "aspect_ratio", "-number"],
                condition=Q(archived_at=None),
                name="generation_by_shape",
            ),
            models.Index(
                fields=["project", "-duration_s", "-number"],
                condition=Q(archived_at=None),
                name="generation_by_length",
            ),
            models.Index(
                "project",
                Cost().desc(),
                F("number").desc(),
                condition=Q(archived_at=None),
                name="generation_by_cost",
            ),
            models.Index(
                fields=["project", "-created_at"],
                condition=Q(archived_at=None),
                name="generation_by_date",
            ),
            models.Index(
                fields=["project", "-number"],
                condition=Q(archived_at__isnull=False),
                name="generation_archived",
            ),
            # The gallery's poll, and its sort by change: what changed since a version.
            models.Index(fields=["project", "version"], name="generation_changes"),
            # The sweep's claim: rows of an account that are due.
            models.Index(
                fields=["account", "next_poll_at"],
                condition=Q(state__in=["running", "stalled"]),
                name="generation_due",
            ),
            # Clips of earlier versions whose files are to be measured again.
            models.Index(
                fields=["id"],
                condition=Q(state="succeeded", media_facts__isnull=True) & ~Q(clip=""),
                name="generation_unmeasured",
            ),
            # What health counts: rows set aside, hardly ever any.
            models.Index(
                fields=["set_aside_at"],
                condition=Q(set_aside_at__isnull=False),
                name="generation_set_aside",
            ),
            # The line at an account, and the recovery of work whose process died.
            models.Index(
                fields=["account", "state", "queue_rank"],
                condition=Q(state__in=["queued", "submitting", "running", "storing"]),
                name="generation_line",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title or 'Shot'} (clip {self.number})"

    def get_absolute_url(self) -> str:
        return f"/clips/{self.code}/"

    @property
    def is_terminal(self) -> bool:
        return self.state in TERMINAL_STATES

    @property
    def is_moving(self) -> bool:
        return self.state in MOVING_STATES

    @property
    def is_clip(self) -> bool:
        return self.state == State.SUCCEEDED

    @property
    def amount_unknown(self) -> bool:
        """Whether it was charged, and the provider did not say how much."""
        return self.charged == Charged.YES and self.actual_microusd is None

    @property
    def is_ceiling(self) -> bool:
        """Whether its estimate is what it costs at most, for nobody knows its price."""
        return self.estimate_certainty is Certainty.CEILING

    @property
    def estimate_certainty(self) -> Certainty:
        return certainty_of(self.estimate_kind)

    @property
    def estimate_text(self) -> str:
        """What it is expected to cost, in words: $0.71, about $0.71, at most $1.27."""
        return amount_text(self.estimated_microusd, self.estimate_certainty)

    @property
    def cost_certainty(self) -> Certainty:
        """How well `cost_microusd` is known. Of an ended shot without a bill no estimate is exact."""
        if self.charged == Charged.NO or self.actual_microusd is not None:
            return Certainty.EXACT
        ended = Certainty.ESTIMATE if self.is_terminal else Certainty.EXACT
        return least_certain([self.estimate_certainty, ended])

    @property
    def amount_text(self) -> str:
        """What it cost, or would, in words: $0.71, about $0.71, at most $1.27, not known."""
        return amount_text(self.cost_microusd, self.cost_certainty)

    @property
    def cost_microusd(self) -> int | None:
        """What it cost, or would. None where that is not known: charged, and not said how much."""
        return None if self.amount_unknown else self.expected_microusd

    @property
    def expected_microusd(self) -> int | None:
        """What it counts for: the actual amount where known, else the estimate."""
        if self.charged == Charged.NO:
            return 0
        return self.actual_microusd if self.actual_microusd is not None else self.estimated_microusd

    @property
    def clip_url(self) -> str:
        return f"/media/clips/{self.code}.mp4?v={self.sha256[:8]}" if self.clip else ""

    @property
    def played_url(self) -> str:
        """The same for players, which count from the first frame: it need not appear at once."""
        return f"{self.clip_url}{self.start_mark}" if self.clip else ""

    @property
    def start_mark(self) -> str:
        """What an address says of when the first frame appears on the file's own clock."""
        starts = float(Fraction((self.media_facts or {}).get("starts", 0)))
        return f"#starts={starts:.6f}" if starts > 0 else ""

    @property
    def preview_url(self) -> str:
        return f"/media/clips/{self.code}-preview.mp4?v={self.sha256[:8]}" if self.preview else ""

    @property
    def poster_url(self) -> str:
        return f"/media/clips/{self.code}-poster.webp?v={self.sha256[:8]}" if self.poster else ""

    @property
    def strip_url(self) -> str:
        return f"/media/clips/{self.code}-strip.webp?v={self.sha256[:8]}" if self.strip else ""

    @property
    def container(self) -> str:
        """What the clip's file is, by its ending: a key of CONTENT_TYPES."""
        container = (self.media_facts or {}).get("container")
        return container if container in CONTENT_TYPES else "mp4"

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[self.container]

    @property
    def file_name(self) -> str:
        """A sensible name for a download, such as nordlys-031-aurora-over-the-fjord-take-2.mp4."""
        project = file_stem(self.project.name, otherwise="", most=60)
        words = [project, f"{self.number:03d}", file_stem(self.title, otherwise="", most=80)]
        return "-".join(filter(None, words)) + f"-take-{self.take}.{self.container}"


def title_from(prompt: str) -> str:
    """Return the first few words of a prompt, as a clip's name."""
    sentence = prompt.strip().split("\n")[0].split(". ")[0].strip(" .,;:")
    return cut(Truncator(sentence).words(6, truncate=""), 80).strip(" .,;:") or "Untitled"


class GenerationEvent(models.Model):
    """One move of one generation. Append-only, written in the move's own transaction."""

    generation = models.ForeignKey(Generation, models.CASCADE, related_name="events")
    old = models.CharField(max_length=10, blank=True)
    new = models.CharField(max_length=10)
    reason = models.CharField(max_length=300, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["generation", "at"], name="event_of_generation")]

    def __str__(self) -> str:
        return f"{self.old or 'new'} to {self.new}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk:
            raise TypeError("Events are append-only.")
        super().save(*args, **kwargs)
