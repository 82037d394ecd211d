"""Addresses of share links, for members and for guests."""

from __future__ import annotations

from django.urls import URLPattern

from studio.address_rules import CREATE, GUESTS, PASSWORD, PUBLIC, SEE, address, address_re
from studio.views.sharing import guest, guest_media, shares

CODE = r"(?P<code>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
GUEST = PUBLIC.asking(GUESTS)
TOKEN = r"(?P<token>[\w-]{1,64})"  # noqa: S105 (a pattern)

urlpatterns: list[URLPattern] = [
    address("p/<uuid:code>/shares/", shares.share_list, SEE, name="share-list"),
    address(
        "p/<uuid:code>/shares/new/", shares.new_share, CREATE.sending(PASSWORD), name="new-share"
    ),
    address(
        "shares/<uuid:code>/", shares.share_detail, CREATE.sending(PASSWORD), name="share-detail"
    ),
    address("shares/<uuid:code>/link/", shares.renew_share, CREATE, name="renew-share"),
    address("shares/<uuid:code>/revoke/", shares.revoke_share, CREATE, name="revoke-share"),
    address("robots.txt", guest.robots, PUBLIC, name="robots"),
    address("s/<slug:token>", guest.with_a_slash, PUBLIC),
    address("s/<slug:token>/", guest.share_home, GUEST, name="share-home"),
    address("s/<slug:token>/open/", guest.open_share, GUEST.sending(PASSWORD), name="open-share"),
    address("s/<slug:token>/changes/", guest.home_changes, GUEST, name="share-changes"),
    address("s/<slug:token>/name/", guest.name_guest, GUEST, name="name-guest"),
    address("s/<slug:token>/clips/<uuid:code>/", guest.shared_clip, GUEST, name="shared-clip"),
    address(
        "s/<slug:token>/clips/<uuid:code>/changes/",
        guest.shared_clip_changes,
        GUEST,
        name="shared-clip-changes",
    ),
    address("s/<slug:token>/clips/<uuid:code>/comments/", guest.say, PUBLIC, name="guest-comment"),
    address(
        "s/<slug:token>/clips/<uuid:code>/verdict/", guest.decide, PUBLIC, name="guest-verdict"
    ),
    address_re(
        rf"^s/{TOKEN}/media/{CODE}(?P<kind>|-preview|-poster|-strip)\.(?P<suffix>mp4|webp)$",
        guest_media.shared_file,
        PUBLIC,
        name="shared-file",
    ),
    # Whatever else stands behind a link: a guest's page, without the way into the studio.
    address_re(r"^s/", guest.nothing_here, PUBLIC),
]
