"""Addresses of clips: their pages, their ways out, their files."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from studio.views.clips import clip_page, media, outcomes

CODE = r"(?P<code>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"

urlpatterns: list[URLPattern] = [
    path("clips/<uuid:code>/", clip_page.clip_detail, name="clip-detail"),
    path("clips/<uuid:code>/changes/", clip_page.clip_page_changes, name="clip-page-changes"),
    path("clips/<uuid:code>/retry/", clip_page.retry_clip, name="retry-clip"),
    path("clips/<uuid:code>/cancel/", clip_page.cancel_clip, name="cancel-clip"),
    path("clips/<uuid:code>/ways/", outcomes.ways_out, name="ways-out"),
    path("clips/<uuid:code>/arrived/", outcomes.say_arrived, name="say-arrived"),
    path("clips/<uuid:code>/send-again/", outcomes.send_again, name="send-again"),
    path("clips/<uuid:code>/give-up/", outcomes.give_up, name="give-up"),
    path("clips/<uuid:code>/check/", outcomes.check_again, name="check-again"),
    path("clips/<uuid:code>/fetch/", outcomes.fetch_again, name="fetch-again"),
    path("clips/<uuid:code>/failover/", outcomes.fail_over, name="fail-over"),
    path("clips/<uuid:code>/master/", outcomes.render_master, name="render-master"),
    path("clips/<uuid:code>/hold/", outcomes.hold_clip, name="hold-clip"),
    path("clips/<uuid:code>/move/", outcomes.move_clip, name="move-clip"),
    path("clips/<uuid:code>/sent/", outcomes.sent_request, name="sent-request"),
    path("p/<uuid:code>/line/", outcomes.line, name="line"),
    path("clips/<uuid:code>/archive/", clip_page.archive_clip, name="archive-clip"),
    path("clips/<uuid:code>/restore/", clip_page.restore_clip, name="restore-clip"),
    path("clips/<uuid:code>/title/", clip_page.rename_clip, name="rename-clip"),
    re_path(
        rf"^media/clips/{CODE}(?P<kind>|-preview|-poster|-strip)\.(?P<suffix>mp4|webp)$",
        media.clip_file,
        name="clip-file",
    ),
    re_path(
        r"^media/fetch/(?P<token>[\w:.-]+)\.(?P<extension>jpg|jpeg|png|webp)$",
        media.picture_by_token,
        name="picture-by-token",
    ),
]
