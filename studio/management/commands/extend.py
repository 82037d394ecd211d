"""`manage.py extend`: continue a clip, or lead into it, from the shell."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError

from studio.management.commands import generate
from studio.models import Generation, ProviderAccount
from studio.providers.catalog import SPECS
from studio.services.shots import NewShot


class Command(generate.Command):
    help = (
        "Continue a clip (or lead into it, with --before) as the next segment of its chain. "
        "Shape and resolution are the clip's. With --wait, prints the path of each finished MP4."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("clip", metavar="CLIP_CODE", help="as in the clip's address")
        parser.add_argument("--prompt", required=True)
        parser.add_argument(
            "--before", action="store_true", help="lead into the clip, not on from it"
        )
        parser.add_argument(
            "--branch", action="store_true", help="start a branch, though the chain can go on"
        )
        generate.add_shot_arguments(parser)
        # What is not said is taken from the clip, so that the two fit together.
        parser.set_defaults(provider="", duration=None, aspect_ratio="", resolution="")

    def handle(self, *args: Any, **options: Any) -> None:
        generate.prepare()
        clip = find_clip(options["clip"])
        generate.check_concepts(options["concept"])
        account, model = _account(clip, options["provider"], options["model"])
        before = options["before"]
        new = NewShot(
            prompt=options["prompt"],
            account=account,
            model=model,
            concepts=tuple(options["concept"]),
            duration_s=options["duration"] or clip.duration_s,
            aspect_ratio=options["aspect_ratio"] or clip.aspect_ratio,
            resolution=options["resolution"].lower() or clip.resolution,
            loop=options["loop"],
            takes=options["takes"],
            start_generation=None if before else clip,
            end_generation=clip if before else None,
            branch=options["branch"],
        )
        self.finish(self.buy(clip.project, generate.acting_user(), new), options)


def find_clip(code: str) -> Generation:
    """Return the clip with this code, or whose address this is."""
    try:
        wanted = UUID(code.rstrip("/").rsplit("/", 1)[-1])
        return Generation.objects.select_related("project", "account").get(code=wanted)
    except (ValueError, Generation.DoesNotExist):
        raise CommandError(
            f"There is no clip {code[:60]}. The code is the last part of the clip’s address."
        ) from None


def _account(clip: Generation, provider: str, model: str) -> tuple[ProviderAccount, str]:
    """Return who renders it: the clip's own account and model unless another is named."""
    if provider or model:
        return generate.find_account(provider or clip.provider, model)
    known = (clip.provider, clip.model) in SPECS
    return (clip.account, clip.model) if known else generate.find_account(clip.provider, "")
