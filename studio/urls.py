"""Every address of the studio."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path, re_path

from studio import (
    urls_chains,
    urls_compose,
    urls_exports,
    urls_gallery,
    urls_library,
    urls_looking,
    urls_money,
    urls_news,
    urls_organise,
    urls_people,
    urls_review,
    urls_shares,
    urls_sign_in,
)
from studio.views import clips, gallery, hooks, media, outcomes

CODE = r"(?P<code>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"

urlpatterns = [
    path("p/<uuid:code>/", gallery.clip_list, name="clip-list"),
    path("p/<uuid:code>/changes/", gallery.clip_changes, name="clip-changes"),
    path("clips/<uuid:code>/", clips.clip_detail, name="clip-detail"),
    path("clips/<uuid:code>/changes/", clips.clip_page_changes, name="clip-page-changes"),
    path("clips/<uuid:code>/retry/", clips.retry_clip, name="retry-clip"),
    path("clips/<uuid:code>/cancel/", clips.cancel_clip, name="cancel-clip"),
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
    path("clips/<uuid:code>/archive/", clips.archive_clip, name="archive-clip"),
    path("clips/<uuid:code>/restore/", clips.restore_clip, name="restore-clip"),
    path("clips/<uuid:code>/title/", clips.rename_clip, name="rename-clip"),
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
    path("hooks/<slug:provider>/<uuid:token>/", hooks.provider_hook, name="provider-hook"),
    path("admin/", admin.site.urls),
    *urls_chains.urlpatterns,
    *urls_compose.urlpatterns,
    *urls_exports.urlpatterns,
    *urls_gallery.urlpatterns,
    *urls_looking.urlpatterns,
    *urls_news.urlpatterns,
    *urls_organise.urlpatterns,
    *urls_library.urlpatterns,
    *urls_money.urlpatterns,
    *urls_people.urlpatterns,
    *urls_review.urlpatterns,
    *urls_shares.urlpatterns,
    *urls_sign_in.urlpatterns,
]

handler400 = "studio.views.errors.bad_request"
handler403 = "studio.views.errors.forbidden"
handler404 = "studio.views.errors.not_found"
handler500 = "studio.views.errors.server_error"
