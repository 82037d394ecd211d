"""Addresses of judging: ratings, verdicts, comments, the review page."""

from __future__ import annotations

from django.urls import URLPattern, path

from studio.views.review import comments, review_page, verdicts

urlpatterns: list[URLPattern] = [
    path("p/<uuid:code>/review/", review_page.review_list, name="review-list"),
    path("p/<uuid:code>/review/changes/", review_page.review_changes, name="review-changes"),
    path("p/<uuid:code>/people/", comments.people, name="people"),
    path("clips/<uuid:code>/rating/", verdicts.rate_clip, name="rate-clip"),
    path("clips/<uuid:code>/verdict/", verdicts.judge_clip, name="judge-clip"),
    path("clips/<uuid:code>/comments/", comments.comment_clip, name="comment-clip"),
    path("clips/<uuid:code>/say/", comments.say_form, name="say-form"),
    path("clips/<uuid:code>/grab/", comments.grab_still, name="grab-still"),
    path("comments/<uuid:code>/resolve/", comments.resolve_comment, name="resolve-comment"),
    path("comments/<uuid:code>/delete/", comments.delete_comment, name="delete-comment"),
    path("comments/<uuid:code>/bring-back/", comments.bring_back_comment, name="bring-back"),
    path("comments/<uuid:code>/redo/", comments.redo_from_comment, name="redo-from-comment"),
]
