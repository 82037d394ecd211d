"""Projects, who belongs to them, and how people are let in."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

if TYPE_CHECKING:
    from studio.models.account import User

ASPECT_RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "9:21")
RESOLUTIONS = ("540p", "720p", "1080p", "4k")


class ProjectQuerySet(models.QuerySet["Project"]):
    def of(self, user: User) -> ProjectQuerySet:
        """Projects this person is a member of, archived ones included."""
        return self.filter(memberships__user=user)

    def active(self) -> ProjectQuerySet:
        return self.filter(archived_at=None)


class Project(models.Model):
    """A piece of work with members, settings and a budget. Made by a person; archived, not deleted."""

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=80)
    description = models.CharField(max_length=200, blank=True)
    aspect_ratio = models.CharField(
        max_length=5, default="16:9", choices=[(a, a) for a in ASPECT_RATIOS]
    )
    duration_s = models.PositiveSmallIntegerField(default=5)
    resolution = models.CharField(
        max_length=5, default="720p", choices=[(r, r) for r in RESOLUTIONS]
    )
    provider = models.CharField(max_length=20, default="previs")
    model = models.CharField(max_length=60, default="previs-1")
    budget_microusd = models.BigIntegerField(
        null=True, blank=True, help_text="Per month, micro-USD; empty = no limit"
    )
    # After a verified failure another provider may take over by itself, if it costs at most this
    # much more. Empty = never by itself; the card offers it.
    failover_microusd = models.BigIntegerField(null=True, blank=True)
    # Downloads say in their own metadata how they were made: prompt, model, what they continue.
    embed_provenance = models.BooleanField(
        default=True,
        verbose_name="Write into downloads how a clip was made",
        help_text="Its prompt, model, provider and what it continues, as MP4 tags and XMP.",
    )
    slate = models.BooleanField(
        default=True,
        verbose_name="Burn a slate into previs clips",
        help_text="Shot, take, moves and time in the corner; the first and last frames stay clean.",
    )
    style_notes = models.CharField(
        max_length=500, blank=True, help_text="Added to every prompt of this project, visibly"
    )
    # A shot dearer than this is asked for, not queued. Empty = never asked for its price alone.
    ask_above_microusd = models.BigIntegerField(null=True, blank=True)
    # Which paid accounts its shots may use; Previs is always there. Staff choose them.
    all_accounts = models.BooleanField(
        default=True, db_default=True, verbose_name="All paid accounts", help_text="Later ones too"
    )
    accounts = models.ManyToManyField("studio.ProviderAccount", blank=True, related_name="+")
    # The gallery's cursor: rises on every visible change of any generation in the project.
    version = models.BigIntegerField(default=0, editable=False)
    # The number the next generation gets ("clip 31").
    next_number = models.PositiveIntegerField(default=1, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    archived_at = models.DateTimeField(null=True, blank=True)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(budget_microusd=None) | models.Q(budget_microusd__gte=0),
                name="project_budget_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return f"/p/{self.code}/"

    @classmethod
    def bump(cls, pk: int) -> int:
        """Raise the project's version by one and return it.

        Call inside a transaction, before the rows that carry the new version are written: the
        row lock it takes makes versions become visible in order, so a cursor never skips one.
        """
        cls.objects.filter(pk=pk).update(version=F("version") + 1)
        return cls.objects.values_list("version", flat=True).get(pk=pk)


class Membership(models.Model):
    """One person's place in one project."""

    class Role(models.TextChoices):
        OWNER = "owner", "Owner"
        EDITOR = "editor", "Editor"
        REVIEWER = "reviewer", "Reviewer"

    project = models.ForeignKey(Project, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role)
    budget_microusd = models.BigIntegerField(
        null=True, blank=True, help_text="Per month, micro-USD; empty = no limit"
    )
    # The saved view this person's gallery opens with.
    default_view = models.ForeignKey(
        "studio.SavedView", models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # The activity feed is read up to here.
    seen_activity = models.BigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="membership_once"),
            models.CheckConstraint(
                condition=models.Q(role__in=["owner", "editor", "reviewer"]),
                name="membership_role_known",
            ),
            models.CheckConstraint(
                condition=models.Q(budget_microusd=None) | models.Q(budget_microusd__gte=0),
                name="membership_budget_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.project}: {self.role}"

    @property
    def can_create(self) -> bool:
        """May create shots, spend within the budget, chain, export and share."""
        return self.role in {self.Role.OWNER, self.Role.EDITOR}

    @property
    def can_manage(self) -> bool:
        """May change members, budget and settings, and delete."""
        return self.role == self.Role.OWNER


def invite_expiry() -> object:
    """Return when an invite made now ends."""
    return timezone.now() + timedelta(days=settings.INVITE_DAYS)


class InviteQuerySet(models.QuerySet["Invite"]):
    def with_maker(self) -> InviteQuerySet:
        """Annotate whether the maker may still invite people, for any number of rows at once."""
        return self.annotate(maker_is_owner=_maker_is_owner())

    def open(self) -> InviteQuerySet:
        """Invites that let somebody in now."""
        return self.filter(
            _maker_is_owner(), used_at=None, revoked_at=None, expires_at__gt=timezone.now()
        )


def _maker_is_owner() -> Exists:
    owners = Membership.objects.filter(
        project=OuterRef("project"),
        user=OuterRef("created_by"),
        role=Membership.Role.OWNER,
        user__is_active=True,
    )
    return Exists(owners)


class Invite(models.Model):
    """A link that lets one person into a project, once. Only a hash of its token is kept.

    It ends with the right of its maker: who was removed or demoted must not return by it.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="invites")
    role = models.CharField(max_length=10, choices=Membership.Role)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    note = models.CharField(max_length=80, blank=True, help_text="Who it is for")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(default=invite_expiry)
    used_at = models.DateTimeField(null=True, blank=True, editable=False)
    used_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        editable=False,
    )
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = InviteQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.role} of {self.project}"

    @property
    def maker_may_invite(self) -> bool:
        """Whether the maker still owns the project and has an active account.

        One query, none after `with_maker`.
        """
        known: bool | None = getattr(self, "maker_is_owner", None)
        return (
            Invite.objects.filter(_maker_is_owner(), pk=self.pk).exists()
            if known is None
            else known
        )

    @property
    def is_open(self) -> bool:
        return (
            not self.used_at
            and not self.revoked_at
            and self.expires_at > timezone.now()
            and self.maker_may_invite
        )
