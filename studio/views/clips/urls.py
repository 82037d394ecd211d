"""Addresses of clips: their pages, their ways out, their files."""

from __future__ import annotations

from django.urls import URLPattern

from studio.address_rules import CREATE, PUBLIC, QUICK, SEE, address, address_re
from studio.views.clips import clip_page, media, outcomes

CODE = r"(?P<code>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"

urlpatterns: list[URLPattern] = [
    address("clips/<uuid:code>/", clip_page.clip_detail, SEE, name="clip-detail"),
    address(
        "clips/<uuid:code>/changes/", clip_page.clip_page_changes, SEE, name="clip-page-changes"
    ),
    address("clips/<uuid:code>/retry/", clip_page.retry_clip, CREATE, name="retry-clip"),
    address("clips/<uuid:code>/cancel/", clip_page.cancel_clip, CREATE, name="cancel-clip"),
    address("clips/<uuid:code>/ways/", outcomes.ways_out, CREATE, name="ways-out"),
    address("clips/<uuid:code>/arrived/", outcomes.say_arrived, CREATE, name="say-arrived"),
    address("clips/<uuid:code>/send-again/", outcomes.send_again, CREATE, name="send-again"),
    address("clips/<uuid:code>/give-up/", outcomes.give_up, CREATE, name="give-up"),
    address("clips/<uuid:code>/check/", outcomes.check_again, CREATE, name="check-again"),
    address("clips/<uuid:code>/fetch/", outcomes.fetch_again, CREATE, name="fetch-again"),
    address("clips/<uuid:code>/failover/", outcomes.fail_over, CREATE, name="fail-over"),
    address("clips/<uuid:code>/master/", outcomes.render_master, CREATE, name="render-master"),
    address("clips/<uuid:code>/hold/", outcomes.hold_clip, CREATE, name="hold-clip"),
    address("clips/<uuid:code>/move/", outcomes.move_clip, CREATE.sending(QUICK), name="move-clip"),
    address("clips/<uuid:code>/sent/", outcomes.sent_request, CREATE, name="sent-request"),
    address("p/<uuid:code>/line/", outcomes.line, SEE, name="line"),
    address("clips/<uuid:code>/archive/", clip_page.archive_clip, CREATE, name="archive-clip"),
    address("clips/<uuid:code>/restore/", clip_page.restore_clip, CREATE, name="restore-clip"),
    address("clips/<uuid:code>/title/", clip_page.rename_clip, CREATE, name="rename-clip"),
    address_re(
        rf"^media/clips/{CODE}(?P<kind>|-preview|-poster|-strip)\.(?P<suffix>mp4|webp)$",
        media.clip_file,
        SEE,
        name="clip-file",
    ),
    address_re(
        r"^media/fetch/(?P<token>[\w:.-]+)\.(?P<extension>jpg|jpeg|png|webp)$",
        media.picture_by_token,
        PUBLIC,
        name="picture-by-token",
    ),
]
