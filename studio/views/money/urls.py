"""Addresses of spend and spend requests."""

from __future__ import annotations

from django.urls import URLPattern, path

from studio.views.money import asking, spend

urlpatterns: list[URLPattern] = [
    path("p/<uuid:code>/spend/", spend.spend, name="spend"),
    path("p/<uuid:code>/spend.csv", spend.spend_csv, name="spend-csv"),
    path("p/<uuid:code>/spend/people/<int:pk>/", spend.limit_person, name="limit-person"),
    path("requests/<uuid:code>/", asking.spend_request, name="spend-request"),
    path("requests/<uuid:code>/decide/", asking.decide_request, name="decide-request"),
]
