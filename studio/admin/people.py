"""People: accounts, who may do what, invites, and sign-in attempts."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from allauth.account.models import EmailAddress, EmailConfirmation
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import admin as auth_admin
from django.contrib.auth.forms import AdminPasswordChangeForm, BaseUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group
from django.db.models import Count, Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.safestring import SafeString

from studio.admin.base import (
    ReadOnlyAdmin,
    StudioAdmin,
    chip,
    link,
    signed_in_user,
    tell,
    when,
)
from studio.admin.confirming import Question, asked
from studio.admin.filters import ProjectFilter
from studio.admin.members import PersonMembershipInline
from studio.forms.new_password import NewPasswordMixin
from studio.models import Invite, Membership, User
from studio.models.project import InviteQuerySet
from studio.services import notices, people, rights, sessions, two_factor
from studio.services.browsers import browser_name
from studio.services.signing_in import forget_tries

# Its list is shown and hidden by Django's style sheet, which wants it.
WITHOUT_ONE = (
    "Without a password they sign in by single sign-on alone, and not at all where there is none."
    '<ul id="id_unusable_warning" class="messagelist"><li class="warning">'
    "Their password now will be lost.</li></ul>"
)
A = TypeVar("A", AccessAttempt, AccessLog)
POWERS = ("is_staff", "is_superuser", "groups", "user_permissions")


class NewPersonForm(NewPasswordMixin, BaseUserCreationForm):  # type: ignore[type-arg]  # takes no parameters at run time
    class Meta:
        model = User
        fields = ("email", "name")

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


class PersonForm(UserChangeForm):  # type: ignore[type-arg]  # takes no parameters at run time
    class Meta:
        model = User
        fields = "__all__"

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


class PersonPasswordForm(NewPasswordMixin, AdminPasswordChangeForm):  # type: ignore[type-arg]  # as above
    usable_password_help_text = WITHOUT_ONE

    def save(self, commit: bool = True) -> User:
        person = cast(User, super().save(commit))
        notices.tell(person, notices.PASSWORD)
        return person


@admin.register(User)
class PersonAdmin(StudioAdmin[User], auth_admin.UserAdmin):  # type: ignore[type-arg]  # as above
    """Nobody gives themselves more than they have: what people may do is for superusers."""

    title = "People"
    noun = "person"
    labels = {
        "is_active": "Active",
        "is_staff": "Staff",
        "may_make_projects": "May make projects",
        "is_superuser": "Everything",
        "groups": "Permission groups",
        "user_permissions": "Permissions",
        "shortcuts": "Single-letter shortcuts",
    }
    help_texts = {
        "is_active": "May sign in",
        "is_staff": "May enter the control room, and do there what the permissions below allow",
        "may_make_projects": "While the studio’s settings leave it to staff and people they allow it",
        "is_superuser": "May do everything here without being given each permission",
        "groups": "Gives the permissions of each group.",
        "user_permissions": "Given to this person alone.",
    }
    form = PersonForm
    add_form = NewPersonForm
    change_password_form = PersonPasswordForm
    list_display = ("name", "email", "standing", "power", "codes", "projects", "seen", "created")
    list_display_links = ("name", "email")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    search_fields = ("name", "email")
    ordering = ("name",)
    readonly_fields = ("codes", "signs_on", "seen", "made_at")
    filter_horizontal = ("groups", "user_permissions")
    inlines = (PersonMembershipInline,)
    actions = ("deactivate", "activate", "reset_two_factor", "unlink", "trust_address")
    page_actions = actions
    fieldsets = (
        (None, {"fields": ("name", "email", "password", "is_active", "may_make_projects")}),
        ("May use the control room", {"fields": POWERS}),
        ("Signs in", {"fields": ("codes", "signs_on", "seen")}),
        ("Other", {"fields": ("shortcuts", "made_at")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("name", "email", "password1", "password2")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        mine = OuterRef("pk")
        return (
            super()
            .get_queryset(request)
            .annotate(
                project_count=Count("memberships"),
                has_codes=Exists(Authenticator.objects.filter(user=mine)),
                is_linked=Exists(SocialAccount.objects.filter(user=mine)),
            )
        )

    @admin.display(description="Standing", ordering="is_active")
    def standing(self, obj: User) -> SafeString:
        return chip("Active", "ok") if obj.is_active else chip("Deactivated")

    @admin.display(description="Control room", ordering="is_staff")
    def power(self, obj: User) -> str:
        return "everything" if obj.is_superuser else "staff" if obj.is_staff else "—"

    @admin.display(description="Projects", ordering="project_count")
    def projects(self, obj: User) -> int:
        return cast(int, obj.project_count)  # type: ignore[attr-defined]  # annotated

    @admin.display(description="Two-factor", ordering="has_codes")
    def codes(self, obj: User) -> SafeString:
        on = obj.has_codes  # type: ignore[attr-defined]  # annotated
        return chip("On", "ok") if on else chip("Off")

    @admin.display(description="Single sign-on", ordering="is_linked")
    def signs_on(self, obj: User) -> SafeString:
        linked = obj.is_linked  # type: ignore[attr-defined]  # annotated
        return chip("Linked", "ok") if linked else chip("Not linked")

    @admin.display(description="Last sign-in", ordering="last_login")
    def seen(self, obj: User) -> str | SafeString:
        return when(obj.last_login)

    # ---- Who may change whom -----------------------------------------------------------
    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        if obj is not None and not rights.may_change_account(request.user, obj):
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False  # what people made keeps their name; deactivate them instead

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        """One's own is changed with the password of now: an open window is not enough."""
        if id == str(request.user.pk):
            return HttpResponseRedirect("/account/password/")
        return super().user_change_password(request, id, form_url)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        response = super().render_change_form(request, context, *args, **kwargs)
        obj = kwargs.get("obj")
        if obj is not None and not self.has_change_permission(request, obj):
            context["page_actions"] = []
        return response

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and "email" in form.changed_data:
            # Typed by staff, not proved: it links no single sign-on until it is.
            User.objects.filter(pk=obj.pk).update(email_confirmed=False)
            notices.tell_of_address(obj, before=form.initial["email"])
        if change and not obj.is_active:
            # For good: their browsers are not let in again with them.
            sessions.end_all(user=obj)

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        return self.inlines if obj is not None else ()

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        own: tuple[str, ...] = self.readonly_fields
        if not request.user.is_superuser:
            own += POWERS
        if obj is not None and obj.pk == request.user.pk:
            # Nobody locks themselves out.
            own += ("is_active", "is_staff", "is_superuser")
        return own

    def offers(self, obj: User, name: str) -> bool:
        fits: dict[str, bool] = {
            "deactivate": obj.is_active,
            "activate": not obj.is_active,
            "reset_two_factor": obj.has_codes,  # type: ignore[attr-defined]  # annotated
            "unlink": obj.is_linked,  # type: ignore[attr-defined]  # annotated
            "trust_address": not (obj.email_confirmed or obj.has_usable_password()),
        }
        return fits[name]

    def is_member(self, request: HttpRequest, obj: User) -> bool:
        return False

    @admin.action(description="Deactivate", permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        question = Question(
            "Lock these people out?",
            "Deactivate",
            lambda person: "Signed out everywhere at once. What they made stays, with their name.",
            column="What it does",
        )
        active = [
            person
            for person in queryset.filter(is_active=True)
            if person.pk != request.user.pk and self.has_change_permission(request, person)
        ]
        if page := asked(self, request, active, "deactivate", question):
            return page
        self._set_active(request, queryset, False)
        return None

    @admin.action(description="Activate", permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._set_active(request, queryset, True)

    def _set_active(self, request: HttpRequest, queryset: QuerySet[User], active: bool) -> None:
        done, refused = [], []
        for person in queryset.filter(is_active=not active):
            if person.pk == request.user.pk:
                refused.append("You cannot deactivate yourself.")
            elif not self.has_change_permission(request, person):
                refused.append(rights.BEYOND.format(person))
            else:
                done.append(person)
        User.objects.filter(pk__in=[p.pk for p in done]).update(is_active=active)
        for person in done:
            if not active:
                sessions.end_all(user=person)
            self.log_change(request, person, "Activated." if active else "Deactivated.")
        tell(request, done, "Activated" if active else "Deactivated", refused)

    @admin.action(description="Reset two-factor sign-in", permissions=["change"])
    def reset_two_factor(
        self, request: HttpRequest, queryset: QuerySet[User]
    ) -> HttpResponse | None:
        """For a lost phone."""
        question = Question(
            "Reset two-factor sign-in?",
            "Reset",
            lambda person: (
                "Signed out everywhere; the password alone signs them in again. Be sure that they asked themselves."
            ),
            column="What it does",
        )
        with_codes = queryset.filter(authenticator__type=Authenticator.Type.TOTP)
        if page := asked(self, request, list(with_codes), "reset_two_factor", question):
            return page
        done, refused = [], []
        for person in with_codes:
            if person.pk == request.user.pk:
                refused.append("Your own is turned off on your account page, with a code.")
            elif not self.has_change_permission(request, person):
                refused.append(rights.BEYOND.format(person))
            elif two_factor.turn_off(user=person, by=signed_in_user(request)):
                # Whoever has the lost phone may be signed in on it.
                sessions.end_all(user=person)
                self.log_change(request, person, "Two-factor sign-in was reset.")
                done.append(person)
        tell(request, done, "Two-factor sign-in reset", refused)
        return None

    @admin.action(description="Unlink single sign-on", permissions=["change"])
    def unlink(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        done, refused = [], []
        for person in queryset.filter(pk__in=SocialAccount.objects.values("user")):
            if not self.has_change_permission(request, person):
                refused.append(rights.BEYOND.format(person))
            else:
                SocialAccount.objects.filter(user=person).delete()
                # Whoever came in by the link may still be signed in.
                sessions.end_all(user=person)
                self.log_change(request, person, "Single sign-on was unlinked.")
                done.append(person)
        tell(request, done, "Unlinked", refused)

    @admin.action(description="Let single sign-on open the account", permissions=["change"])
    def trust_address(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """For an account without a password, whose address was typed and never confirmed."""
        question = Question(
            "Are these addresses theirs?",
            "Allow",
            lambda person: (
                f"Whoever {settings.SSO_NAME} knows as {person.email} is let in as {person}."
            ),
            column="What it does",
        )
        typed = [person for person in queryset.filter(email_confirmed=False)
                 if not person.has_usable_password()]  # fmt: skip
        if page := asked(self, request, typed, "trust_address", question):
            return page
        done, refused = [], []
        for person in typed:
            if not self.has_change_permission(request, person):
                refused.append(rights.BEYOND.format(person))
            else:
                User.objects.filter(pk=person.pk).update(email_confirmed=True)
                self.log_change(request, person, "Single sign-on was let in by the address.")
                done.append(person)
        tell(request, done, "Allowed", refused)
        return None


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin[Membership]):
    """Who belongs where, to look up; changed on the person's or the project's page."""

    title = "Memberships"
    list_display = ("person", "project_link", "role", "created")
    list_display_links = None
    list_filter = ("role",)
    list_select_related = ("user", "project")
    search_fields = ("user__name", "user__email", "project__name")
    ordering = ("project__name", "user__name")
    fields = ("person", "project_link", "role", "made_at")

    @admin.display(description="Person", ordering="user__name")
    def person(self, obj: Membership) -> str | SafeString:
        return link(obj.user)

    @admin.display(description="Project", ordering="project__name")
    def project_link(self, obj: Membership) -> str | SafeString:
        return link(obj.project)


@admin.register(Invite)
class InviteAdmin(ReadOnlyAdmin[Invite]):
    title = "Invites"
    list_display = ("note_or_role", "project_link", "role", "standing", "by", "used", "created")
    list_filter = ("role", ProjectFilter)
    list_select_related = ("project", "created_by", "used_by")
    search_fields = ("note", "project__name", "used_by__name", "used_by__email")
    date_hierarchy = "created_at"
    fields = (
        "project_link", "role", "note", "standing", "by", "made_at",
        "expires_at", "used", "used_at", "revoked_at",
    )  # fmt: skip
    actions = ("revoke",)
    page_actions = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Invite]:
        return cast(InviteQuerySet, super().get_queryset(request)).with_maker()

    @admin.display(description="For", ordering="note")
    def note_or_role(self, obj: Invite) -> str:
        return obj.note or f"a new {obj.role}"

    @admin.display(description="Project", ordering="project__name")
    def project_link(self, obj: Invite) -> str | SafeString:
        return link(obj.project)

    @admin.display(description="Standing")
    def standing(self, obj: Invite) -> SafeString:
        if obj.used_at:
            return chip("Used")
        if obj.revoked_at:
            return chip("Revoked", "bad")
        if not obj.maker_may_invite:
            return chip("Ended: its maker can no longer invite", "bad")
        return chip("Open", "ok") if obj.is_open else chip("Out of date")

    @admin.display(description="Invited by", ordering="created_by__name")
    def by(self, obj: Invite) -> str | SafeString:
        return link(obj.created_by)

    @admin.display(description="Used by", ordering="used_by__name")
    def used(self, obj: Invite) -> str | SafeString:
        return link(obj.used_by)

    def offers(self, obj: Invite, name: str) -> bool:
        return obj.is_open

    @admin.action(description="Revoke", permissions=["act"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Invite]) -> HttpResponse | None:
        question = Question(
            "Close these invites for good?",
            "Revoke",
            lambda invite: "Nobody can join with it any more. It cannot be taken back.",
            column="What it does",
        )
        open_ones = [invite for invite in queryset if invite.is_open]
        if page := asked(self, request, open_ones, "revoke", question):
            return page
        done = [invite for invite in open_ones if people.revoke_invite(invite=invite)]
        for invite in done:
            self.log_change(request, invite, "Revoked.")
        tell(request, done, "Revoked")
        return None


# ---- Sign-in: Django's and axes's own tables, made readable ----------------------------
# allauth's hold secrets, or nothing: what is in them stands on the person's page.
OF_ALLAUTH = (
    EmailAddress, EmailConfirmation, Authenticator, SocialAccount, SocialApp, SocialToken, UserSession,
)  # fmt: skip
for model in (Group, AccessAttempt, AccessLog, AccessFailureLog, *OF_ALLAUTH):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(Group)
class GroupAdmin(auth_admin.GroupAdmin):
    title = "Permission groups"

    # A group gives permissions, so it is for those who have them all.
    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return bool(request.user.is_superuser)


class TriedAdmin(ReadOnlyAdmin[A]):
    """What axes's tables have in common."""

    @admin.display(description="When", ordering="attempt_time")
    def tried(self, obj: A) -> str | SafeString:
        return when(obj.attempt_time)

    @admin.display(description="Signed out", ordering="logout_time")
    def left(self, obj: A) -> str | SafeString:
        return when(obj.logout_time)

    @admin.display(description="Browser", ordering="user_agent")
    def browser(self, obj: A) -> str:
        return browser_name(obj.user_agent)


@admin.register(AccessAttempt)
class AccessAttemptAdmin(TriedAdmin[AccessAttempt]):
    title = "Failed sign-ins"
    noun = "failed sign-in"
    list_display = ("username", "ip_address", "failures_since_start", "tried", "browser")
    search_fields = ("username", "ip_address")
    date_hierarchy = "attempt_time"
    fields = (
        "username",
        "ip_address",
        "failures_since_start",
        "attempt_time",
        "user_agent",
        "path_info",
    )
    actions = ("let_in",)
    page_actions = ("let_in",)

    @admin.action(description="Let them try again now", permissions=["act"])
    def let_in(self, request: HttpRequest, queryset: QuerySet[AccessAttempt]) -> None:
        rows = list(queryset)
        for row in rows:
            forget_tries(email=row.username, address=row.ip_address or "")
            row.delete()
        tell(request, rows, "May try again")


@admin.register(AccessLog)
class AccessLogAdmin(TriedAdmin[AccessLog]):
    title = "Sign-ins"
    noun = "sign-in"
    list_display = ("username", "ip_address", "tried", "left", "browser")
    search_fields = ("username", "ip_address")
    date_hierarchy = "attempt_time"
    fields = ("username", "ip_address", "attempt_time", "logout_time", "user_agent", "path_info")
