"""Addresses of spend and spend requests."""

from __future__ import annotations

from django.urls import URLPattern

from studio.address_rules import CREATE, HEAVY, LOOKUP, MANAGE, OWN, address
from studio.views.money import asking, spend

urlpatterns: list[URLPattern] = [
    address("p/<uuid:code>/spend/", spend.spend, CREATE.asking(LOOKUP), name="spend"),
    address("p/<uuid:code>/spend.csv", spend.spend_csv, CREATE.asking(HEAVY), name="spend-csv"),
    address(
        "p/<uuid:code>/spend/people/<int:pk>/", spend.limit_person, MANAGE, name="limit-person"
    ),
    address("requests/<uuid:code>/", asking.spend_request, CREATE, name="spend-request"),
    address("requests/<uuid:code>/decide/", asking.decide_request, OWN, name="decide-request"),
]
