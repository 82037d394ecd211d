"""Addresses of share links, for members and for guests."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from studio.views.sharing import guest, guest_media, shares

CODE = r"(?P<code>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
TOKEN = r"(?P<token>[\w-]{1,64})"  # noqa: S105 (a pattern)

urlpatterns: list[URLPattern] = [
    path("p/<uuid:code>/shares/", shares.share_list, name="share-list"),
    path("p/<uuid:code>/shares/new/", shares.new_share, name="new-share"),
    path("shares/<uuid:code>/", shares.share_detail, name="share-detail"),
    path("shares/<uuid:code>/link/", shares.renew_share, name="renew-share"),
    path("shares/<uuid:code>/revoke/", shares.revoke_share, name="revoke-share"),
    path("robots.txt", guest.robots, name="robots"),
    path("s/<slug:token>", guest.with_a_slash),
    path("s/<slug:token>/", guest.share_home, name="share-home"),
    path("s/<slug:token>/open/", guest.open_share, name="open-share"),
    path("s/<slug:token>/changes/", guest.home_changes, name="share-changes"),
    path("s/<slug:token>/name/", guest.name_guest, name="name-guest"),
    path("s/<slug:token>/clips/<uuid:code>/", guest.shared_clip, name="shared-clip"),
    path(
        "s/<slug:token>/clips/<uuid:code>/changes/",
        guest.shared_clip_changes,
        name="shared-clip-changes",
    ),
    path("s/<slug:token>/clips/<uuid:code>/comments/", guest.say, name="guest-comment"),
    path("s/<slug:token>/clips/<uuid:code>/verdict/", guest.decide, name="guest-verdict"),
    re_path(
        rf"^s/{TOKEN}/media/{CODE}(?P<kind>|-preview|-poster|-strip)\.(?P<suffix>mp4|webp)$",
        guest_media.shared_file,
        name="shared-file",
    ),
    # Whatever else stands behind a link: a guest's page, without the way into the studio.
    re_path(r"^s/", guest.nothing_here),
]
