"""Webhooks of a project, for its owners: adding, changing, looking at what was sent."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from studio.forms.gallery import whole_number
from studio.forms.news import WebhookForm
from studio.http import (
    StudioRequest,
    is_safe,
    project_for,
    require_safe_or_post,
    signed_in,
    wants_partial,
)
from studio.models import Project, Webhook, WebhookDelivery
from studio.services.errors import StudioError
from studio.services.news import deliveries, webhooks
from studio.services.news.posting import body_of

LOG_SIZE = 30
SHOWN_ONCE = "webhook_secret_shown_once"  # the session's place for a secret between POST and page


def _webhook(request: StudioRequest, code: UUID, hook: UUID) -> Webhook:
    project = project_for(request, code, may="manage")
    try:
        found = Webhook.objects.select_related("created_by").get(project=project, code=hook)
    except Webhook.DoesNotExist:
        raise Http404("No such webhook.") from None
    found.project = project
    return found


def _url(webhook: Webhook) -> str:
    return f"/p/{webhook.project.code}/webhooks/{webhook.code}/"


def _show_once(request: StudioRequest, webhook: Webhook) -> None:
    request.session[SHOWN_ONCE] = (str(webhook.code), webhook.reveal_secret())


@require_safe_or_post
@signed_in
def webhook_list(request: StudioRequest, code: UUID) -> HttpResponse:
    project = project_for(request, code, may="manage")
    form = WebhookForm(request.POST or None, initial={"kinds": ["finished", "failed"]})
    if request.method == "POST" and form.is_valid():
        try:
            made = webhooks.create_webhook(project=project, by=request.user, **form.cleaned_data)
        except StudioError as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
        else:
            _show_once(request, made)
            return HttpResponseRedirect(_url(made))
    return _list(request, project, form)


def _list(request: StudioRequest, project: Project, form: WebhookForm) -> HttpResponse:
    rows = Webhook.objects.filter(project=project).select_related("created_by")
    ctx = {"here": "settings", "webhooks": list(rows), "form": form}
    return render(request, "webhook_list.html", ctx, status=422 if form.errors else 200)


@require_safe_or_post
@vary_on_headers("HX-Request")
@signed_in
def webhook_detail(request: StudioRequest, code: UUID, hook: UUID) -> HttpResponse:
    webhook = _webhook(request, code, hook)
    form = WebhookForm(request.POST) if request.method == "POST" else WebhookForm.of(webhook)
    if request.method == "POST" and form.is_valid():
        try:
            webhooks.change_webhook(
                webhook=webhook,
                by=request.user,
                enabled=request.POST.get("enabled") == "on",
                **form.cleaned_data,
            )
        except StudioError as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
        else:
            messages.success(request, "Saved.")
            return HttpResponseRedirect(_url(webhook))
    before = whole_number(request.GET.get("before"), most=2**62)
    ctx: dict[str, Any] = {"here": "settings", "webhook": webhook, "form": form, "before": before}
    ctx |= _log(webhook, before)
    if wants_partial(request) and is_safe(request):
        return render(request, "_webhook_log.html", ctx)
    shown = _shown_once(request)
    ctx["secret"] = shown[1] if shown[0] == str(webhook.code) else ""
    return render(request, "webhook_detail.html", ctx, status=422 if form.errors else 200)


def _shown_once(request: StudioRequest) -> tuple[str, str]:
    """Return the webhook and the secret that its page shows once; HEAD shows nobody anything."""
    if request.method == "GET":
        shown: tuple[str, str] = request.session.pop(SHOWN_ONCE, ("", ""))
        return shown
    return request.session.get(SHOWN_ONCE, ("", "")) if is_safe(request) else ("", "")


def _log(webhook: Webhook, before: int | None) -> dict[str, Any]:
    rows = WebhookDelivery.objects.filter(webhook=webhook).order_by("-pk")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: LOG_SIZE + 1])
    waiting = [row for row in found if row.state == "waiting"]
    return {
        "deliveries": found[:LOG_SIZE],
        "more": found[LOG_SIZE - 1].pk if len(found) > LOG_SIZE else None,
        # The page asks again while a first try is under way; later ones are minutes apart.
        "moving": before is None and any(row.attempts == 0 for row in waiting),
    }


@require_POST
@signed_in
def test_webhook(request: StudioRequest, code: UUID, hook: UUID) -> HttpResponse:
    webhook = _webhook(request, code, hook)
    deliveries.send_test(webhook)
    return _after(request, webhook, "A test message is on its way.")


@require_POST
@signed_in
def renew_secret(request: StudioRequest, code: UUID, hook: UUID) -> HttpResponse:
    webhook = _webhook(request, code, hook)
    webhooks.renew_secret(webhook=webhook, by=request.user)
    _show_once(request, webhook)
    return HttpResponseRedirect(_url(webhook))


@require_POST
@signed_in
def delete_webhook(request: StudioRequest, code: UUID, hook: UUID) -> HttpResponse:
    webhook = _webhook(request, code, hook)
    host = webhook.host
    webhooks.delete_webhook(webhook=webhook, by=request.user)
    messages.success(request, f"The webhook to {host} is deleted.")
    return HttpResponseRedirect(f"/p/{code}/webhooks/")


@require_POST
@signed_in
def send_again(request: StudioRequest, code: UUID, hook: UUID, delivery: UUID) -> HttpResponse:
    webhook = _webhook(request, code, hook)
    row = WebhookDelivery.objects.filter(webhook=webhook, code=delivery).first()
    if row is None:
        raise Http404("No such message.")
    deliveries.send_again(row)
    return _after(request, webhook, "The message is in line once more.")


def _after(request: StudioRequest, webhook: Webhook, said: str) -> HttpResponse:
    if request.htmx:
        ctx = {"webhook": webhook, "project": webhook.project} | _log(webhook, None)
        return render(request, "_webhook_log.html", ctx)
    messages.success(request, said)
    return HttpResponseRedirect(_url(webhook))


@require_safe
@signed_in
def webhook_payload(request: StudioRequest, code: UUID, hook: UUID, delivery: UUID) -> HttpResponse:
    """The exact text one message has, for looking into."""
    webhook = _webhook(request, code, hook)
    row = WebhookDelivery.objects.filter(webhook=webhook, code=delivery).first()
    if row is None:
        raise Http404("No such message.")
    return HttpResponse(body_of(row.payload), content_type="application/json")
