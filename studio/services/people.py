"""How people come in: the first owner's link, and invites; and what they may do in a project."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core import signing
from django.db import IntegrityError, transaction
from django.utils import timezone

from studio.incoming_text import tidy_line
from studio.models import Invite, Membership, Project, User
from studio.services.errors import StudioError
from studio.services.news import happenings

_WELCOME = signing.TimestampSigner(salt="studio.welcome")
_FIRST_OWNER = "first-owner"
# Who `manage.py generate` acts for while the studio has no owner. It cannot sign in.
COMMAND_LINE_EMAIL = "command-line@studio.invalid"
ONLY_OWNERS = "Only an owner of this project can do that."
MAKER_LEFT = "This invite has ended: whoever made it can no longer invite people."
EMAIL_TAKEN = "This email already has an account. Sign in first, then open the link again."


# ---- The first owner -------------------------------------------------------------------
def has_people() -> bool:
    """Whether anybody has an account; the user that shell commands act for is nobody."""
    return User.objects.exclude(email=COMMAND_LINE_EMAIL).exists()


def welcome_link(base_url: str) -> str | None:
    """Return the address that makes the first owner, or None once anybody has an account.

    Signed, good for settings.WELCOME_LINK_HOURS; one query. `base_url` without a path,
    for example http://127.0.0.1:8000.
    """
    if has_people():
        return None
    token = _WELCOME.sign(_FIRST_OWNER)
    return f"{base_url.rstrip('/')}/welcome/?{urlencode({'token': token})}"


def open_welcome(token: str) -> bool:
    """Return whether this token still makes the first owner: ours, young enough, nobody here."""
    try:
        said = _WELCOME.unsign(token, max_age=timedelta(hours=settings.WELCOME_LINK_HOURS))
    except signing.BadSignature:
        return False
    return said == _FIRST_OWNER and not has_people()


@transaction.atomic
def make_first_owner(*, name: str, email: str, password: str) -> User:
    """Make the studio's first account, which may do everything, and return it.

    Of two requests at once one makes the owner; the other raises StudioError, as does any
    request once somebody has an account. The caller has checked the welcome link.
    """
    # A row that exists before any person does: the lock that lets one request in at a time.
    ContentType.objects.select_for_update().get(app_label="studio", model="user")
    if has_people():
        raise StudioError("The studio already has an owner. Sign in, or ask them for an invite.")
    owner = User.objects.create_superuser(email, password, name=tidy_line(name))
    # Projects made from the shell before anybody signed in have had nobody to open them.
    Membership.objects.bulk_create(
        Membership(project=project, user=owner, role=Membership.Role.OWNER)
        for project in Project.objects.all()
    )
    return owner


# ---- Invites ---------------------------------------------------------------------------
def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@transaction.atomic
def create_invite(*, project: Project, role: str, by: User, note: str = "") -> tuple[Invite, str]:
    """Make an invite for one person and return it with its token, which is not kept anywhere.

    The link is /join/<token>/, good for settings.INVITE_DAYS. Raises StudioError on an
    unknown role.
    """
    _check_role(role)
    token = secrets.token_urlsafe(24)
    invite = Invite.objects.create(
        project=project,
        role=role,
        created_by=by,
        note=tidy_line(note),
        token_hash=_hash(token),
    )
    whom = f"{invite.note} " if invite.note else "somebody "
    happenings.member_changed(project.pk, actor=by, text=f"invited {whom}as {a_role(role)}")
    return invite, token


def find_invite(token: str) -> Invite | None:
    """Return the invite of this token, open or not, with its project; None for a wrong token."""
    return (
        Invite.objects.with_maker()
        .select_related("project", "created_by", "used_by")
        .filter(token_hash=_hash(token))
        .first()
    )


def closed_because(invite: Invite | None) -> str:
    """Say why an invite lets nobody in any more; empty while it is open."""
    if invite is None:
        return "This link is not complete, or it was never an invite."
    if invite.revoked_at:
        return "This invite was withdrawn."
    if invite.used_at:
        return "This invite has been used. Each link lets one person in."
    if invite.expires_at <= timezone.now():
        return f"This invite ended on {invite.expires_at.day} {invite.expires_at:%B}."
    if not invite.maker_may_invite:
        return MAKER_LEFT
    return ""


@transaction.atomic
def accept_invite(*, token: str, user: User) -> Membership:
    """Make this person a member, use the invite up, and return the membership.

    Somebody who is a member already stays what they are, and the invite stays open for the
    person it was meant for. Raises StudioError when the invite is unknown, used, withdrawn or
    out of date. Of two people at once one gets in.
    """
    invite = find_invite(token)
    if invite is None:
        raise StudioError(closed_because(None))
    member = Membership.objects.filter(project=invite.project, user=user).first()
    if member:
        return member
    # The lock of `remove_member` and `change_role`: whoever loses the right at this moment loses
    # their invites too.
    Project.objects.select_for_update().get(pk=invite.project_id)
    claimed = (
        Invite.objects.open().filter(pk=invite.pk).update(used_at=timezone.now(), used_by=user)
    )
    if not claimed:
        raise StudioError(closed_because(Invite.objects.with_maker().get(pk=invite.pk)))
    happenings.member_changed(
        invite.project_id, actor=user, text=f"joined as {a_role(invite.role)}"
    )
    return Membership.objects.create(project=invite.project, user=user, role=invite.role)


@transaction.atomic
def join_as_new(*, token: str, name: str, email: str, password: str) -> User:
    """Make an account for somebody with an invite, a member at once, and return it.

    Raises StudioError as accept_invite does, and with field "email" when the address is taken;
    then neither account nor membership was made.
    """
    if User.objects.filter(email=email.strip().lower()).exists():
        raise StudioError(EMAIL_TAKEN, field="email")
    try:
        with transaction.atomic():
            user = User.objects.create_user(email, password, name=tidy_line(name))
    except IntegrityError as error:
        raise StudioError(EMAIL_TAKEN, field="email") from error
    accept_invite(token=token, user=user)
    return user


def revoke_invite(*, invite: Invite) -> bool:
    """Close an open invite. False when there was nothing left to close."""
    return bool(
        Invite.objects.filter(pk=invite.pk, used_at=None, revoked_at=None).update(
            revoked_at=timezone.now()
        )
    )


# ---- Members ---------------------------------------------------------------------------
@transaction.atomic
def change_role(*, member: Membership, role: str, by: User | None = None) -> None:
    """Give a member another role. Raises StudioError for the project's last owner.

    `by` None is the command line or the control room, which ask for rights of their own.
    """
    _check_role(role)
    _lock_members(member.project_id)
    _check_owner(member.project_id, by)
    if role != Membership.Role.OWNER:
        _keep_an_owner(member, "Make somebody else an owner first.")
    if Membership.objects.filter(pk=member.pk).exclude(role=role).update(role=role):
        happenings.member_changed(
            member.project_id, actor=by, text=f"made {member.user.name} {a_role(role)}"
        )
    member.role = role


@transaction.atomic
def remove_member(*, member: Membership, by: User | None = None) -> None:
    """Take a person out of a project; what they made stays. Raises StudioError for the last owner."""
    _lock_members(member.project_id)
    if by is not None and by.pk != member.user_id:
        _check_owner(member.project_id, by)
    _keep_an_owner(member, "Make somebody else an owner first, or archive the project.")
    if Membership.objects.filter(pk=member.pk).delete()[0]:
        left = by is not None and by.pk == member.user_id
        text = "left the project" if left else f"took {member.user.name} out of the project"
        happenings.member_changed(member.project_id, actor=by, text=text)


def a_role(role: str) -> str:
    """Return a role with its article: an owner."""
    return f"{'an' if role[0] in 'eo' else 'a'} {role}"


def _check_role(role: str) -> None:
    if role not in Membership.Role.values:
        raise StudioError(f"Role is {role!r}; it must be owner, editor or reviewer.", field="role")


def _lock_members(project_id: int) -> None:
    """Take the project's row: two owners who leave or demote each other at once go one after the other."""
    Project.objects.select_for_update().get(pk=project_id)


def _check_owner(project_id: int, by: User | None) -> None:
    """Raise StudioError for somebody who is no owner any more; asked again under the lock."""
    if by is None:
        return
    owners = Membership.objects.filter(project=project_id, role=Membership.Role.OWNER)
    if not owners.filter(user=by.pk, user__is_active=True).exists():
        raise StudioError(ONLY_OWNERS)


def _keep_an_owner(member: Membership, way_out: str) -> None:
    owners = Membership.objects.filter(project=member.project_id, role=Membership.Role.OWNER)
    # Who is deactivated cannot look after it.
    if (
        not owners.exclude(pk=member.pk).filter(user__is_active=True).exists()
        and owners.filter(pk=member.pk).exists()
    ):
        raise StudioError(f"{member.user.name} is the only owner of this project. {way_out}")
