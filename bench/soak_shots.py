"""The people of the mixed soak, and what they ask for: few words, and everything else mixed."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from studio.models import Generation, Keyframe, Membership, Price, Project, ProviderAccount, User
from studio.models.generation import State
from studio.providers.catalog import ModelSpec, specs_for
from studio.services import shots
from studio.services.drafts import create_drafts, render_master
from studio.services.errors import StudioError
from studio.services.money.agreement import COSTS_MORE
from studio.services.shots import NewShot, OverLimit, create_shots
from tests.emulator import Emulator
from tests.emulator.money import price_of
from tests.factories import make_still
from tests.paid import DIALECTS, account_at

PROMPTS = (
    "Low cloud slides between two ridges at dawn.",
    "A paper boat turns in the current of a gutter.",
    "Snow falls on an empty tram stop, one lamp on.",
    "A red kite climbs above the harbour wall.",
    "Rain on glass; behind it a street that nobody walks.",
)
STYLE_NOTES = "Kodak 250D, slow pans"
STILLS_EACH = 3
CAMERA = ("push_in", "pan_left", "crane_up", "orbit_right", "static")
MICROUSD = 1_000_000
MICROUSD_PER_CREDIT = 10_000
FAILOVER_MICROUSD = 3 * MICROUSD
PRICE_STEPS = (0.8, 0.9, 1.0, 1.1, 1.25)
CONCURRENT = 40


@dataclass
class Cast:
    """Projects with their people and stills, and one account at each dialect."""

    emulator: Emulator
    chance: random.Random
    accounts: dict[str, ProviderAccount]
    projects: list[Project]
    people: dict[int, list[User]] = field(default_factory=dict)
    stills: dict[int, list[Keyframe]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)

    def ask(self) -> int:
        """Ask for one shot, a few takes of one, or a pair of drafts; return how many were queued."""
        project = self.chance.choice(self.projects)
        by = self.chance.choice(self.people[project.pk])
        try:
            if self.chance.random() < 0.06:
                return len(self._draft(project, by))
            return len(create_shots(project=project, by=by, new=self._shot(project)))
        except OverLimit:
            self.refused["over a budget"] += 1
        except StudioError:
            self.refused["the model cannot"] += 1
        return 0

    def render_masters(self, most: int = 20) -> int:
        """Ask for the masters of drafts that are ready; return how many were queued."""
        ready = Generation.objects.filter(state=State.SUCCEEDED).exclude(master={})
        queued = 0
        for draft in ready.select_related("project", "by").order_by("pk")[:most]:
            token = uuid.uuid5(draft.code, "master")
            if Generation.objects.filter(request_token=token).exists():
                continue
            try:
                render_master(draft=draft, by=draft.by, request_token=token)
                queued += 1
            except StudioError:
                self.refused["master over a budget"] += 1
        return queued

    def decide_on_dearer(self) -> None:
        """Release the shots that wait because they cost more now; cancel what no budget allows."""
        dearer = Generation.objects.filter(held=True, waiting_text__startswith=COSTS_MORE)
        for shot in dearer.select_related("project", "by"):
            try:
                shots.hold(generation=shot, held=False)
            except StudioError:
                self.refused["a higher price over a budget"] += 1
                shots.cancel(generation=shot, by=shot.by)

    def move_prices(self) -> None:
        """Move what the providers charge, and let an admin follow with a part of the list."""
        account = self.chance.choice(["apiframe", "aimlapi", "gmicloud", "luma"])
        factors = self.emulator.config.price_factors | {account: self.chance.choice(PRICE_STEPS)}
        self.emulator.configure(price_factors=factors)
        for dialect in DIALECTS:
            if self.accounts[dialect].provider == account and self.chance.random() < 0.7:
                list_prices(self.emulator, dialect)

    def _shot(self, project: Project) -> NewShot:
        dialect = self.chance.choice(DIALECTS)
        account = self.accounts[dialect]
        spec = self.chance.choice(paid_specs(dialect))
        stills: list[Keyframe | None] = [None, None, *self.stills[project.pk]]
        start, end = self.chance.choice(stills), self.chance.choice(stills)
        concepts = self.chance.sample(CAMERA, self.chance.choice((0, 0, 1, 2)))
        return NewShot(
            prompt=self.chance.choice(PROMPTS),
            style_notes=self.chance.choice(("", "", STYLE_NOTES)),
            account=account,
            model=spec.id,
            concepts=tuple(concepts),
            duration_s=self.chance.choice(spec.durations_s),
            aspect_ratio=self.chance.choice(spec.aspect_ratios),
            resolution=self.chance.choice(spec.resolutions),
            loop=end is None and self.chance.random() < 0.3,
            start_keyframe=start,
            end_keyframe=end,
            takes=self.chance.choice((1, 1, 1, 1, 1, 1, 1, 1, 1, 2)),
        )

    def _draft(self, project: Project, by: User) -> list[Generation]:
        master = NewShot(
            prompt=self.chance.choice(PROMPTS),
            account=self.accounts["luma"],
            model="ray-2",
            concepts=tuple(self.chance.sample(CAMERA, 2)),
            aspect_ratio=self.chance.choice(("16:9", "21:9", "9:16")),
            resolution="1080p",
        )
        return create_drafts(
            project=project, by=by, master=master, draft_account=self.accounts["luma"],
            draft_model="ray-flash-2", draft_resolution="540p",
        )  # fmt: skip


def paid_specs(dialect: str) -> list[ModelSpec]:
    """Return the models of a dialect."""
    if dialect == "legacy":
        return list(specs_for("aimlapi", "legacy"))
    return list(specs_for(dialect))


def furnish(emulator: Emulator, *, shots: int, seed: int) -> Cast:
    """Make three projects, their people, stills and budgets, the accounts and their prices.

    One project has no limit, one a budget that this many shots use up, one a budget for each person.
    Another provider may take over in the first and the last.
    """
    accounts = {}
    for dialect in DIALECTS:
        account = account_at(emulator, dialect, concurrent_limit=CONCURRENT)
        account.credit_nanousd = MICROUSD_PER_CREDIT * 1000
        account.save()
        accounts[dialect] = account
        list_prices(emulator, dialect)
    cast = Cast(emulator, random.Random(seed), accounts, [])
    third = shots / 3
    for number, (budget, each, failover) in enumerate(
        (
            (None, None, FAILOVER_MICROUSD),
            (round(third * 0.9 * MICROUSD), None, None),
            (None, round(third / 3 * 1.5 * MICROUSD), FAILOVER_MICROUSD),
        )
    ):
        _furnish_project(cast, number, budget, each, failover)
    return cast


def _furnish_project(
    cast: Cast, number: int, budget: int | None, each: int | None, failover: int | None
) -> None:
    people = [
        User.objects.create_user(f"person{number}-{one}@example.com", "password", name=f"P{one}")
        for one in range(3)
    ]
    project = Project.objects.create(
        name=f"Soak {number}", created_by=people[0], budget_microusd=budget,
        failover_microusd=failover,
    )  # fmt: skip
    for person, role in zip(people, ("owner", "editor", "editor"), strict=True):
        Membership.objects.create(project=project, user=person, role=role, budget_microusd=each)
    cast.projects.append(project)
    cast.people[project.pk] = people
    cast.stills[project.pk] = [
        make_still(project, shade=60 + 50 * shade + number) for shade in range(STILLS_EACH)
    ]


def list_prices(emulator: Emulator, dialect: str) -> None:
    """Enter what the provider charges now for every kind of shot, as an admin would."""
    account = "aimlapi" if dialect == "legacy" else dialect
    per_unit = MICROUSD_PER_CREDIT if dialect == "apiframe" else MICROUSD
    for spec, duration_s, resolution in _kinds(dialect):
        amount = price_of(
            emulator.config, dialect, account, duration_s=duration_s, aspect_ratio="16:9",
            resolution=resolution,
        )  # fmt: skip
        values: dict[str, Any] = {"microusd": round(amount * per_unit), "source": "the soak"}
        if dialect == "apiframe":
            values |= {"credits": amount, "unit": "credits"}
        Price.objects.update_or_create(
            provider=account, model=spec.id, duration_s=duration_s, resolution=resolution,
            defaults=values,
        )  # fmt: skip


def _kinds(dialect: str) -> Iterator[tuple[ModelSpec, int, str]]:
    for spec in paid_specs(dialect):
        for duration_s in spec.durations_s:
            for resolution in spec.resolutions:
                yield spec, duration_s, resolution
