"""A project with very many clips: real rows of every kind, a few small media files shared by all.

    python -m bench.gallery_rows --clips 100000 [--name "Hundred thousand"]

writes it into the studio that the environment names (STUDIO_DATA_DIR, DATABASE_URL), with an owner
whose sign-in is printed. To look at, and for bench_gallery to measure.
"""

from __future__ import annotations

import argparse
import os
import random
import time
import uuid
from datetime import timedelta
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")

BATCH = 2000
WORDS = [
    "low",
    "cloud",
    "slides",
    "between",
    "the",
    "ridges",
    "while",
    "first",
    "light",
    "warms",
    "snow",
    "on",
    "far",
    "peaks",
    "and",
    "a",
    "slow",
    "aurora",
    "folds",
    "over",
    "quiet",
    "water",
    "near",
    "harbour",
    "lamps",
    "dust",
    "falls",
    "through",
    "narrow",
    "stone",
    "as",
    "wind",
    "turns",
    "grass",
    "beyond",
    "old",
    "timber",
    "walls",
    "glass",
    "orb",
    "rests",
    "upon",
    "wet",
    "sand",
    "under",
    "pale",
    "moon",
    "city",
    "street",
    "empty",
    "after",
    "rain",
    "neon",
    "red",
    "blue",
    "green",
    "amber",
    "fog",
    "rolling",
    "toward",
    "camera",
    "one",
    "boat",
    "returns",
    "late",
    "gulls",
    "circle",
    "above",
    "rusted",
    "crane",
    "children",
    "run",
    "along",
    "pier",
    "heavy",
    "waves",
    "break",
    "against",
    "black",
    "rock",
]
# Carried by one clip in so many: a common word, a usual one and a rare one to search for.
MARKED = {"lighthouse": 3, "canyon": 40, "zeppelin": 5000}
SHAPES = ("16:9", "16:9", "16:9", "9:16", "1:1", "4:3", "21:9")
MAKERS = (
    ("previs", "previs-1", 0),
    ("apiframe", "luma-ray-2", 1_600_000),
    ("luma", "ray-2", 1_750_000),
    ("gmicloud", "Luma-Ray2", 1_500_000),
)


def shared_media() -> dict[str, dict[str, Any]]:
    """Put one small clip of each shape with its pictures into the storage; return its columns."""
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage

    from tests.factories import drawn_clip

    columns = {}
    for shape in sorted(set(SHAPES)):
        drawn = drawn_clip(shape, 1)
        names = {}
        for field, path in zip(("clip", "poster", "strip", "preview"), drawn, strict=True):
            name = f"shared/{shape.replace(':', 'x')}-{field}{path.suffix}"
            if not default_storage.exists(name):
                default_storage.save(name, ContentFile(path.read_bytes()))
            names[field] = name
        width, height = (640, 360) if shape == "16:9" else (480, 480)
        columns[shape] = names | {"width": width, "height": height, "sha256": uuid.uuid4().hex * 2}
    return columns


def make_clips(project: Any, people: list[Any], count: int, *, seed: int = 1) -> None:
    """Add so many generations to a project, with comments, tags, a chain and a collection."""
    from django.db import connection, transaction
    from django.utils import timezone

    from studio import concepts, search
    from studio.models import Generation, Project, ProviderAccount
    from studio.models.generation import Charged, State, Verdict

    rng, media, now = random.Random(seed), shared_media(), timezone.now()
    accounts = {}
    for provider, _, _ in MAKERS:
        account, _ = ProviderAccount.objects.get_or_create(
            provider=provider, label="bench" if provider != "previs" else ""
        )
        accounts[provider] = account
    slugs = list(concepts.CONCEPTS)
    first = Project.objects.values_list("next_number", flat=True).get(pk=project.pk)
    search.take_off(connection)  # filled in one go at the end, many times as fast
    for start in range(0, count, BATCH):
        rows = []
        for index in range(start, min(start + BATCH, count)):
            said = rng.choices(WORDS, k=rng.randint(12, 40))
            said += [word for word, one_in in MARKED.items() if rng.randrange(one_in) == 0]
            rng.shuffle(said)
            provider, model, price = rng.choice(MAKERS)
            state = rng.choices(
                [State.SUCCEEDED, State.FAILED, State.CANCELLED, State.STALLED], [90, 7, 2, 1]
            )[0]
            if count - index <= 20 and count > 100:
                state = State.RUNNING  # the newest are under way
            made = now - timedelta(minutes=3 * (count - index))
            ended = state not in (State.RUNNING, State.STALLED)
            shape = rng.choice(SHAPES)
            ready = state == State.SUCCEEDED
            rows.append(
                Generation(
                    project=project, by=rng.choice(people), number=first + index,
                    version=index + 1, title=" ".join(said[:4]).capitalize(), prompt=" ".join(said),
                    concepts=rng.sample(slugs, rng.randint(0, 2)), duration_s=rng.choice((5, 5, 9, 10)),
                    aspect_ratio=shape, resolution="720p", provider=provider, model=model,
                    account=accounts[provider], state=state, created_at=made, submitted_at=made,
                    finished_at=made + timedelta(minutes=2) if ended else None,
                    provider_job_id=uuid.uuid4().hex, progress=100 if ready else 40,
                    charged=(Charged.YES if ready else Charged.NO) if ended else "",
                    estimated_microusd=price,
                    failure_text="" if state != State.FAILED else "The model refused the prompt.",
                    rating=rng.choices(range(6), [60, 2, 4, 10, 14, 10])[0] if ready else 0,
                    verdict=rng.choices(["", Verdict.APPROVED, Verdict.NEEDS_CHANGES], [80, 14, 6])[0]
                    if ready else "",
                    duration_ms=5000 if ready else None, fps=24.0 if ready else None,
                    size_bytes=1000, queue_rank=first + index,
                    **(media[shape] if ready else {}),
                )
            )  # fmt: skip
        with transaction.atomic():
            Generation.objects.bulk_create(rows)
    Project.objects.filter(pk=project.pk).update(next_number=first + count, version=count)
    _order(project, people, rng)
    search.ensure(connection)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _order(project: Any, people: list[Any], rng: random.Random) -> None:
    """Comments on one clip in twenty and a hundred on the first; tags on one in ten; a chain and a
    collection of forty.
    """
    from studio.models import (
        Chain,
        Collection,
        CollectionItem,
        Comment,
        Generation,
        Segment,
        Tag,
    )

    rows = Generation.objects.filter(project=project).order_by("number")
    pks = list(rows.values_list("pk", flat=True))
    talked = rng.sample(pks, len(pks) // 20)
    Comment.objects.bulk_create(
        [
            Comment(
                generation_id=pk,
                author=rng.choice(people),
                at_ms=rng.randrange(4000),
                text=" ".join(rng.choices(WORDS, k=12)),
            )
            for pk in [*talked, *[pks[0]] * 100]
        ],
        batch_size=BATCH,
    )
    for name in ("hero", "b-roll"):
        tag, _ = Tag.objects.get_or_create(project=project, name=name)
        through = Tag.generations.through
        through.objects.bulk_create(
            [through(tag_id=tag.pk, generation_id=pk) for pk in rng.sample(pks, len(pks) // 20)],
            batch_size=BATCH,
        )
    chain = Chain.objects.create(project=project, title="Winter film", created_by=people[0])
    chosen = pks[: min(40, len(pks))]
    Segment.objects.bulk_create(
        [Segment(chain=chain, position=n + 1, generation_id=pk) for n, pk in enumerate(chosen)]
    )
    kept = Collection.objects.create(project=project, title="Shortlist", created_by=people[0])
    CollectionItem.objects.bulk_create(
        [
            CollectionItem(collection=kept, position=n + 1, generation_id=pk)
            for n, pk in enumerate(chosen)
        ]
    )


def make_people() -> list[Any]:
    """Return four people to make clips, the first with a password that can be printed."""
    from studio.models import User

    people = []
    for name in ("Maja Aasen", "Jonas Thorne", "Priya Lal", "Reem Khalil"):
        email = f"{name.split()[0].lower()}@bench.example"
        found = User.objects.filter(email=email).first()
        people.append(
            found or User.objects.create_user(email=email, name=name, password="bench-bench-bench")
        )
    return people


def make_project(name: str, people: list[Any], clips: int) -> Any:
    """Return a project of these people with so many clips."""
    from studio.models import Membership, Project

    project = Project.objects.create(name=name, created_by=people[0])
    roles = [Membership.Role.OWNER, *[Membership.Role.EDITOR] * (len(people) - 1)]
    for person, role in zip(people, roles, strict=True):
        Membership.objects.create(project=project, user=person, role=role)
    make_clips(project, people, clips)
    project.refresh_from_db()
    return project


def main() -> None:
    import django

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--name", default="Hundred thousand")
    options = parser.parse_args()
    django.setup()
    began, people = time.monotonic(), make_people()
    project = make_project(options.name, people, options.clips)
    print(f"{options.clips:,} clips in {time.monotonic() - began:.0f} s: /p/{project.code}/")
    print(f"Sign in as {people[0].email} with bench-bench-bench")


if __name__ == "__main__":
    main()
