"""`manage.py generate`: the studio's main job from the shell."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage
from django.core.management import call_command
from django.core.management.base import CommandError

from studio import concepts
from studio.amounts import amount_text
from studio.incoming_text import clean_line, cut
from studio.management.base import StudioCommand
from studio.media.images import ImageRefused
from studio.models import Generation, Keyframe, Project, ProviderAccount, User
from studio.models.generation import State
from studio.models.project import ASPECT_RATIOS, RESOLUTIONS
from studio.providers.catalog import SPECS, get_spec
from studio.services.accounts import ensure_accounts
from studio.services.errors import StudioError
from studio.services.keyframes import store_keyframe
from studio.services.money.quotes import PriceTable, quote_for
from studio.services.people import COMMAND_LINE_EMAIL
from studio.services.projects import create_project_as_operator
from studio.services.shots import NewShot, create_shots
from studio.services.work.hands import goes_on, wait_for


def add_shot_arguments(parser: ArgumentParser) -> None:
    """The options `generate` and `extend` share."""
    parser.add_argument(
        "--concept",
        action="append",
        default=[],
        metavar="SLUG",
        help="a camera concept; may repeat",
    )
    parser.add_argument(
        "--provider", default="previs", help="previs, apiframe, aimlapi, gmicloud or luma"
    )
    parser.add_argument(
        "--model", default="", help="the provider's own model id; default: its first"
    )
    parser.add_argument("--duration", type=int, default=5, help="seconds")
    parser.add_argument("--aspect-ratio", default="16:9", help=" ".join(ASPECT_RATIOS))
    parser.add_argument("--resolution", default="720p", help=" ".join(RESOLUTIONS))
    parser.add_argument("--loop", action="store_true")
    parser.add_argument("--takes", type=int, default=1)
    parser.add_argument("--wait", action="store_true", help="wait, and print one clip path a line")
    parser.add_argument("--timeout", type=float, default=600, help="seconds to wait at most")


class Command(StudioCommand):
    help = "Generate a clip. With --wait, prints the path of each finished MP4; exits 0 only if all succeeded."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="NAME", help="made if missing")
        parser.add_argument("--prompt", required=True)
        parser.add_argument("--start", metavar="FILE", help="the first frame, an image file")
        parser.add_argument("--end", metavar="FILE", help="the last frame, an image file")
        add_shot_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        prepare()
        by = acting_user()
        account, model = find_account(options["provider"], options["model"])
        check_concepts(options["concept"])
        project = find_project(options["project"], by)
        new = NewShot(
            prompt=options["prompt"],
            account=account,
            model=model,
            concepts=tuple(options["concept"]),
            duration_s=options["duration"],
            aspect_ratio=options["aspect_ratio"],
            resolution=options["resolution"].lower(),
            loop=options["loop"],
            takes=options["takes"],
            start_keyframe=_still(project, by, options["start"], "--start"),
            end_keyframe=_still(project, by, options["end"], "--end"),
        )
        self.finish(self.buy(project, by, new), options)

    def buy(self, project: Project, by: User, new: NewShot) -> list[Generation]:
        """Queue the shot at the price it has now, which is printed first. Free ones print none."""
        try:
            quote = quote_for(
                get_spec(new.account.provider, new.model),
                new.wish(),
                new.account,
                PriceTable.load(),
            )
            if quote.microusd:
                takes = f" for {new.takes} takes" if new.takes > 1 else ""
                cost = amount_text(quote.microusd * new.takes, quote.certainty)
                self.stderr.write(f"It costs {cost}{takes}.")
            quoted = replace(new, quoted_microusd=quote.microusd)
            return create_shots(project=project, by=by, new=quoted)
        except StudioError as error:
            raise CommandError(error.message) from error

    def finish(self, made: list[Generation], options: dict[str, Any]) -> None:
        """Wait if asked to, print the clips' paths, and fail with a sentence if any take failed."""
        if not options["wait"]:
            for generation in made:
                self.stderr.write(
                    f"Queued as clip {generation.number} of {generation.project}: {generation.code}"
                )
            return
        try:
            rows = wait_for(
                [g.pk for g in made], timeout_s=options["timeout"], say=self.stderr.write
            )
        except KeyboardInterrupt:
            raise CommandError(
                "Stopped waiting. What was asked for goes on in the studio.", returncode=130
            ) from None
        for row in rows:
            if row.is_clip:
                self.stdout.write(clip_place(row))
        failed = [row for row in rows if not row.is_clip]
        if failed:
            raise CommandError(" ".join(_why(row, options["timeout"]) for row in failed))


def _why(row: Generation, timeout: float) -> str:
    state = row.get_state_display().lower()
    if row.is_terminal:
        return f"Take {row.take} ended as {state}: {row.failure_text or 'no reason was given'}"
    why = row.waiting_text or (row.account.trouble if row.state == State.QUEUED else "")
    if row.state == State.QUEUED and row.account.hold_reason:
        return f"Take {row.take} waits for a person: {why or row.account.hold_text}"
    if not goes_on(row):
        return f"Take {row.take} waits for a person: {why} Decide on its card in the studio."
    return " ".join(
        filter(
            None,
            [
                f"Take {row.take} is still {state} after {timeout:g} s; it goes on in the studio.",
                why,
            ],
        )
    )


def prepare() -> None:
    """Bring a new or older data folder up to date, as `manage.py studio` does at its start."""
    call_command("migrate", verbosity=0, interactive=False)
    ensure_accounts(starting=False)


def acting_user() -> User:
    """Return who the command acts for: the first owner, or a user of its own on a new studio."""
    owner = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
    if owner is not None:
        return owner
    user, _ = User.objects.get_or_create(
        email=COMMAND_LINE_EMAIL, defaults={"name": "Command line"}
    )
    if user.has_usable_password():
        user.set_unusable_password()
        user.save(update_fields=["password"])
    return user


def find_project(name: str, by: User) -> Project:
    """Return this person's project of that name, made if missing."""
    project = Project.objects.of(by).active().filter(name=name).order_by("pk").first()
    if project is None:
        if not 1 <= len(name.strip()) <= 80:
            raise CommandError(
                f"--project has {len(name.strip())} characters; 1 to 80 are allowed."
            )
        project = create_project_as_operator(name=name, by=by)
    return project


def find_account(provider: str, model: str) -> tuple[ProviderAccount, str]:
    """Return an account that can pay for this model, and the model's id."""
    known = sorted({spec.provider for spec in SPECS.values()})
    if provider not in known:
        raise CommandError(f"--provider is {provider}; it must be one of {', '.join(known)}.")
    models = [spec for spec in SPECS.values() if spec.provider == provider and not spec.gone]
    chosen = next((spec for spec in models if spec.id == model), None) if model else models[0]
    if chosen is None:
        raise CommandError(
            f"--model is {model}; {provider} has {', '.join(spec.id for spec in models)}."
        )
    accounts = ProviderAccount.objects.filter(provider=provider, enabled=True)
    usable = [a for a in accounts if chosen.local or a.has_key]
    fitting = [a for a in usable if chosen.dialect in ("", a.dialect)]
    if not fitting:
        raise CommandError(
            f"{provider} has no key. Set {provider.upper()}_API_KEY, or add an account in the admin."
        )
    return fitting[0], chosen.id


def check_concepts(slugs: list[str]) -> None:
    unknown = [slug for slug in slugs if slug not in concepts.CONCEPTS]
    if unknown:
        raise CommandError(
            f"--concept is {unknown[0]}; it must be one of {', '.join(concepts.CONCEPTS)}."
        )


def clip_place(generation: Generation) -> str:
    """Return the clip's absolute path, or its address where the storage is not on this machine."""
    try:
        return str(Path(generation.clip.path).resolve())
    except NotImplementedError:
        return default_storage.url(generation.clip.name)


def _still(project: Project, by: User, file: str | None, option: str) -> Keyframe | None:
    if not file:
        return None
    path = Path(file)
    if not path.is_file():
        raise CommandError(f"{option} is {file}; there is no such file.")
    try:
        with path.open("rb") as source:
            keyframe, _ = store_keyframe(
                project=project, by=by, source=source, name=cut(clean_line(path.stem), 120)
            )
    except (ImageRefused, OSError) as error:
        raise CommandError(f"{option} {file}: {error}") from error
    return keyframe
