"""Addresses of judging: ratings, verdicts, comments, the review page."""

from __future__ import annotations

from django.urls import URLPattern

from studio.address_rules import CREATE, DRAWING, LOOKUP, OWN, QUICK, SEE, address
from studio.views.review import comments, review_page, verdicts

urlpatterns: list[URLPattern] = [
    address("p/<uuid:code>/review/", review_page.review_list, SEE, name="review-list"),
    address(
        "p/<uuid:code>/review/changes/", review_page.review_changes, SEE, name="review-changes"
    ),
    address("p/<uuid:code>/people/", comments.people, SEE.asking(LOOKUP), name="people"),
    address("clips/<uuid:code>/rating/", verdicts.rate_clip, SEE.sending(QUICK), name="rate-clip"),
    address(
        "clips/<uuid:code>/verdict/", verdicts.judge_clip, SEE.sending(QUICK), name="judge-clip"
    ),
    address("clips/<uuid:code>/comments/", comments.comment_clip, SEE, name="comment-clip"),
    address("clips/<uuid:code>/say/", comments.say_form, SEE, name="say-form"),
    address(
        "clips/<uuid:code>/grab/", comments.grab_still, CREATE.sending(DRAWING), name="grab-still"
    ),
    address("comments/<uuid:code>/resolve/", comments.resolve_comment, SEE, name="resolve-comment"),
    address("comments/<uuid:code>/delete/", comments.delete_comment, OWN, name="delete-comment"),
    address(
        "comments/<uuid:code>/bring-back/", comments.bring_back_comment, OWN, name="bring-back"
    ),
    address(
        "comments/<uuid:code>/redo/", comments.redo_from_comment, CREATE, name="redo-from-comment"
    ),
]
