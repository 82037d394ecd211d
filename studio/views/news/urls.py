"""Addresses of the activity feed, notifications and webhooks."""

from __future__ import annotations

from django.urls import URLPattern, path

from studio.views.news import activity, notifications, webhooks

HOOK = "p/<uuid:code>/webhooks/<uuid:hook>"

urlpatterns: list[URLPattern] = [
    path("p/<uuid:code>/activity/", activity.activity, name="activity"),
    path("p/<uuid:code>/activity/changes/", activity.activity_changes, name="activity-changes"),
    path("notifications/", notifications.notification_list, name="notification-list"),
    path("notifications/panel/", notifications.panel, name="notification-panel"),
    path("notifications/changes/", notifications.notification_changes, name="bell-changes"),
    path("notifications/read/", notifications.read_notifications, name="read-notifications"),
    path("notifications/<int:pk>/open/", notifications.open_notification, name="open-notification"),
    path("account/news/", notifications.choose_news, name="choose-news"),
    path("digest/off/<str:token>/", notifications.digest_off, name="digest-off"),
    path("p/<uuid:code>/webhooks/", webhooks.webhook_list, name="webhook-list"),
    path(f"{HOOK}/", webhooks.webhook_detail, name="webhook-detail"),
    path(f"{HOOK}/test/", webhooks.test_webhook, name="test-webhook"),
    path(f"{HOOK}/secret/", webhooks.renew_secret, name="renew-secret"),
    path(f"{HOOK}/delete/", webhooks.delete_webhook, name="delete-webhook"),
    path(f"{HOOK}/messages/<uuid:delivery>/", webhooks.webhook_payload, name="webhook-payload"),
    path(f"{HOOK}/messages/<uuid:delivery>/again/", webhooks.send_again, name="send-again-webhook"),
]
