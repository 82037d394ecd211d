"""A first project in one press: drawn stills and a few previs clips, so that a gallery lives."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from studio.models import Keyframe, Project, ProviderAccount, User
from studio.providers.catalog import PREVIS
from studio.services import quotas
from studio.services.disk import check_room
from studio.services.keyframes import store_keyframe
from studio.services.projects import create_project
from studio.services.shots import NewShot, create_shots

STILLS = {
    "dawn": "Ridges at first light",
    "aurora": "Aurora over the fjord",
    "light": "Keeper's lamp",
    "orb": "Glass on the plinth",
}
# title, prompt, concepts, shape, loop, start still, end still
CLIPS = (
    (
        "Ridge at first light",
        "Low cloud slides between the ridges, the sun clears the far peak and the valley turns to gold.",
        ("push_in", "aerial"), "16:9", False, "dawn", "",
    ),
    (
        "Aurora over the fjord",
        "Aurora curtains ripple above a black fjord, mirrored in still water. Slow pan, stars sharp, no people.",
        ("pan_right",), "21:9", False, "aurora", "",
    ),
    (
        "Keeper's lamp",
        "The lamp of a lighthouse sweeps over a breaking sea at night.",
        ("pedestal_up",), "9:16", False, "light", "",
    ),
    (
        "Glass, on the plinth",
        "A glass sphere turns on a stone plinth in soft studio light.",
        ("orbit_right",), "1:1", True, "orb", "",
    ),
    (
        "From night to morning",
        "The last of the aurora fades and the sun comes up over the ridges.",
        (), "16:9", False, "aurora", "dawn",
    ),
    (
        "Title card",
        "A winter film in five shots",
        ("crane_up",), "4:3", False, "", "",
    ),
)  # fmt: skip


def make_sample_project(*, by: User) -> Project:
    """Make a project with four stills and six previs shots in flight, owned by this person.

    Raises StudioError where they may not make projects, and NoRoom while the disk is nearly full.
    """
    check_room()
    quotas.take(quotas.SAMPLES, by)
    project = create_project(
        name="Nordlys, a sample",
        description="Drawn stills and free previs clips to look around with",
        by=by,
        resolution="540p",
    )
    stills = {key: _still(project, by, key, name) for key, name in STILLS.items()}
    previs = ProviderAccount.objects.get(provider="previs", label="")
    # Asked for in reverse: the gallery shows the newest first, so the first one leads it.
    for title, prompt, concepts, shape, loop, start, end in reversed(CLIPS):
        create_shots(
            project=project,
            by=by,
            new=NewShot(
                title=title,
                prompt=prompt,
                account=previs,
                model=PREVIS.id,
                concepts=concepts,
                aspect_ratio=shape,
                resolution="540p",
                loop=loop,
                start_keyframe=stills.get(start),
                end_keyframe=stills.get(end),
            ),
        )
    return project


def _still(project: Project, by: User, key: str, name: str) -> Keyframe:
    path: Path = settings.BASE_DIR / "static" / "studio" / "samples" / f"{key}.webp"
    with path.open("rb") as source:
        keyframe, _ = store_keyframe(project=project, by=by, source=source, name=name)
    return keyframe
