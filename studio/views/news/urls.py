"""Addresses of the activity feed, notifications and webhooks."""

from __future__ import annotations

from django.urls import URLPattern

from studio.address_rules import LOOKUP, MANAGE, OWN, PUBLIC, RARE, SEE, SIGNED_IN, address
from studio.views.news import activity, notifications, webhooks

HOOK = "p/<uuid:code>/webhooks/<uuid:hook>"

urlpatterns: list[URLPattern] = [
    address("p/<uuid:code>/activity/", activity.activity, SEE.asking(LOOKUP), name="activity"),
    address(
        "p/<uuid:code>/activity/changes/", activity.activity_changes, SEE, name="activity-changes"
    ),
    address("notifications/", notifications.notification_list, SIGNED_IN, name="notification-list"),
    address("notifications/panel/", notifications.panel, SIGNED_IN, name="notification-panel"),
    address(
        "notifications/changes/", notifications.notification_changes, SIGNED_IN, name="bell-changes"
    ),
    address(
        "notifications/read/",
        notifications.read_notifications,
        SIGNED_IN,
        name="read-notifications",
    ),
    address(
        "notifications/<int:pk>/open/",
        notifications.open_notification,
        OWN,
        name="open-notification",
    ),
    address("account/news/", notifications.choose_news, SIGNED_IN, name="choose-news"),
    address("digest/off/<str:token>/", notifications.digest_off, PUBLIC, name="digest-off"),
    address("p/<uuid:code>/webhooks/", webhooks.webhook_list, MANAGE, name="webhook-list"),
    address(f"{HOOK}/", webhooks.webhook_detail, MANAGE, name="webhook-detail"),
    address(f"{HOOK}/test/", webhooks.test_webhook, MANAGE.sending(RARE), name="test-webhook"),
    address(f"{HOOK}/secret/", webhooks.renew_secret, MANAGE, name="renew-secret"),
    address(f"{HOOK}/delete/", webhooks.delete_webhook, MANAGE, name="delete-webhook"),
    address(
        f"{HOOK}/messages/<uuid:delivery>/",
        webhooks.webhook_payload,
        MANAGE,
        name="webhook-payload",
    ),
    address(
        f"{HOOK}/messages/<uuid:delivery>/again/",
        webhooks.send_again,
        MANAGE.sending(RARE),
        name="send-again-webhook",
    ),
]
