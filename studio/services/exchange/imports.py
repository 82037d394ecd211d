"""Bringing an archive's project into this studio. What is here already is left as it is."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction

from studio import lifecycle
from studio.media.images import ImageRefused
from studio.media.video import VideoUnreadable
from studio.models import (
    Chain,
    Comment,
    Generation,
    Keyframe,
    Membership,
    Project,
    ProviderAccount,
    Segment,
    User,
)
from studio.models.generation import Charged, Verdict
from studio.models.project import ASPECT_RATIOS, RESOLUTIONS
from studio.queue import enqueue
from studio.services.disk import check_room
from studio.services.errors import StudioError
from studio.services.exchange.manifests import Archive, Damaged, Record
from studio.services.files import scratch_file
from studio.services.keyframes import store_keyframe
from studio.services.projects import create_project
from studio.services.work.storing import keep_media

logger = logging.getLogger(__name__)

FOREIGN = "Imported clips"  # the account foreign clips are booked on: no key, switched off
MOST_COMMENTS = 5000


@dataclass
class ImportReport:
    """What an import did. `problems` are sentences about files that were left out."""

    project: Project
    clips: int = 0
    known_clips: int = 0
    stills: int = 0
    chains: int = 0
    problems: list[str] = field(default_factory=list)


# ---- Ways in -----------------------------------------------------------------------------------


def begin_import(*, file: File[bytes], by: User) -> tuple[Project, int]:
    """Check an uploaded archive, put it aside and let a worker bring it in.

    Returns its project (made if need be) and how many clips it has. Raises StudioError.
    """
    check_room()
    with Archive(file.file) as archive:  # type: ignore[arg-type]  # any seekable file will do
        project = _project_of(archive.manifest.record("project"), by)
        clips = len(archive.clips)
    file.seek(0)
    name = default_storage.save(f"imports/{uuid.uuid4().hex}.zip", file)
    enqueue("import_archive", name, by.pk, project.pk)
    return project, clips


def import_stored(name: str, by_pk: int, project_pk: int) -> str:
    """Bring in an archive that was put aside. Safe to call twice."""
    if not default_storage.exists(name):
        return "skipped: it was brought in already"
    by, project = User.objects.get(pk=by_pk), Project.objects.get(pk=project_pk)
    try:
        with default_storage.open(name, "rb") as file:
            report = import_archive(file, by=by, project=project)
    except StudioError as error:
        logger.warning("import %s refused: %s", name, error.message)
        return f"refused: {error.message}"
    finally:
        default_storage.delete(name)
    for problem in report.problems:
        logger.warning("import into %s: %s", project.code, problem)
    return f"{report.clips} clips, {report.stills} stills, {len(report.problems)} problems"


def import_archive(
    file: IO[bytes] | Path, *, by: User, project: Project | None = None
) -> ImportReport:
    """Bring an archive in, one file after the other; a damaged one is left out and reported.

    Without `project` it becomes the project it was: the one here with its code, if this person
    may add to it, else a new one. Stills and clips are known by their SHA-256, chains by their
    code, so doing it again adds nothing. Raises StudioError for an archive that cannot be read.
    """
    with Archive(file) as archive:
        project = project or _project_of(archive.manifest.record("project"), by)
        work = _Import(archive, project, by)
        work.bring_stills()
        work.bring_clips()
        work.bring_chains()
        return work.report


def _project_of(record: Record, by: User) -> Project:
    code = record.code("code")
    here = Project.objects.filter(code=code).first() if code else None
    if here is not None:
        membership = Membership.objects.filter(project=here, user=by).first()
        if membership is not None and membership.can_create:
            return here
    shape, size = record.text("aspect_ratio", 5), record.text("resolution", 5)
    name = " ".join(record.text("name", 80).split()) or "Imported project"
    with transaction.atomic():
        made = create_project(name=name, by=by, description=record.text("description", 200))
        Project.objects.filter(pk=made.pk).update(
            code=made.code if here or code is None else code,
            duration_s=record.number("duration_s", 1, 60, 5),
            **({"aspect_ratio": shape} if shape in ASPECT_RATIOS else {}),
            **({"resolution": size} if size in RESOLUTIONS else {}),
        )
    made.refresh_from_db()
    return made


# ---- The work ------------------------------------------------------------------------------------


class _Import:
    """One archive being brought into one project."""

    def __init__(self, archive: Archive, project: Project, by: User) -> None:
        self._archive = archive
        self._project = project
        self._by = by
        self._stills: dict[uuid.UUID, Keyframe] = {}
        self._clips: dict[uuid.UUID, Generation] = {}
        self._shots: dict[uuid.UUID, uuid.UUID] = {}
        # Only what was here before counts as known: an archive may hold the same film twice.
        self._known = {g.sha256: g for g in project.generations.defer("raw_answer") if g.sha256}
        self.report = ImportReport(project)

    def bring_stills(self) -> None:
        for record in self._archive.stills:
            with self._forgiving():
                self._bring_still(record)

    def bring_clips(self) -> None:
        """Bring clips in the order of their numbers, so that what one continues is there before it."""
        for record in sorted(self._archive.clips, key=lambda r: r.number("number", 0, 2**31 - 1)):
            with self._forgiving():
                self._bring_clip(record)
        for record in self._archive.stills:
            self._link_grabbed(record)

    def bring_chains(self) -> None:
        made: dict[uuid.UUID, Chain] = {}
        for record in self._archive.chains:
            with self._forgiving():
                self._bring_chain(record, made)

    @contextmanager
    def _forgiving(self) -> Iterator[None]:
        """Go on after one bad file; a full disk or a lost database ends the work."""
        try:
            yield
        except (Damaged, ImageRefused, VideoUnreadable) as error:
            self.report.problems.append(str(error))

    def _bring_still(self, record: Record) -> None:
        code, digest = record.code("code"), record.text("sha256", 64)
        still = Keyframe.objects.filter(project=self._project, sha256=digest).first()
        if still is None:
            with scratch_file(".image") as path:
                self._archive.extract(record, path)
                with path.open("rb") as source:
                    still, new = store_keyframe(
                        project=self._project, by=self._by, source=source, name="Still"
                    )
            if new:
                name = " ".join(record.text("name", 120).split())
                Keyframe.objects.filter(pk=still.pk).update(name=name or "Still")
                self.report.stills += 1
        if code:
            self._stills[code] = still

    def _link_grabbed(self, record: Record) -> None:
        still = self._stills.get(record.code("code") or uuid.uuid4())
        clip = self._clips.get(record.code("grabbed_from") or uuid.uuid4())
        if still is not None and clip is not None:
            Keyframe.objects.filter(pk=still.pk, grabbed_from=None).update(
                grabbed_from=clip,
                grabbed_at_ms=record.number("grabbed_at_ms", 0, 2**31 - 1, 0),
            )

    def _bring_clip(self, record: Record) -> None:
        code = record.code("code")
        known = self._known.get(record.text("sha256", 64))
        if known is None:
            known = self._new_clip(record, code)
            self.report.clips += 1
        else:
            self.report.known_clips += 1
        if code:
            self._clips[code] = known

    def _new_clip(self, record: Record, code: uuid.UUID | None) -> Generation:
        clip = Generation(
            project=self._project,
            by=self._by,
            account=_account_for(record.text("provider", 20, pattern=r"[a-z0-9-]+") or "previs"),
            number=record.number("number", 0, 2**31 - 1),
            **_columns(record),
            **self._ends(record),
        )
        clip.provider = clip.account.provider
        if code and not Generation.objects.filter(code=code).exists():
            clip.code = code
        clip.shot, clip.take = self._shot(record)
        with scratch_file(".mp4") as path:
            self._archive.extract(record, path)
            media = keep_media(clip, path)
        for name, value in media.items():
            setattr(clip, name, value)
        lifecycle.import_clip(clip, actor=self._by)
        self._bring_comments(record, clip)
        return clip

    def _ends(self, record: Record) -> dict[str, Any]:
        ends: dict[str, Any] = {}
        for side in ("start", "end"):
            still, clip = record.code(f"{side}_still"), record.code(f"{side}_clip")
            ends[f"{side}_keyframe"] = self._stills.get(still) if still else None
            ends[f"{side}_generation"] = self._clips.get(clip) if clip else None
        if record.flag("loop"):
            ends["end_keyframe"] = ends["end_generation"] = None
        return ends

    def _shot(self, record: Record) -> tuple[uuid.UUID, int]:
        """Return the shot and take: as they were, unless another project here has that shot."""
        was = record.code("shot") or uuid.uuid4()
        if was not in self._shots:
            elsewhere = Generation.objects.filter(shot=was).exclude(project=self._project)
            self._shots[was] = uuid.uuid4() if elsewhere.exists() else was
        shot, take = self._shots[was], record.number("take", 1, 32_000, 1)
        while Generation.objects.filter(shot=shot, take=take).exists():
            take += 1
        return shot, take

    def _bring_comments(self, record: Record, clip: Generation) -> None:
        for said in record.records("comments", MOST_COMMENTS):
            at = said.moment("created_at")
            Comment.objects.create(
                generation=clip,
                guest_name=said.text("by", 80)[:60] or "Somebody",
                text=said.text("text", 2000),
                at_ms=said.number("at_ms", 0, 2**31 - 1) if said.has("at_ms") else None,
                created_at=at,
                resolved_at=at if said.flag("resolved") else None,
            )

    def _bring_chain(self, record: Record, made: dict[uuid.UUID, Chain]) -> None:
        code = record.code("code") or uuid.uuid4()
        here = Chain.objects.filter(code=code).first()
        if here is not None and here.project_id == self._project.pk:
            made[code] = here
            return
        title = record.text("title", 120) or "Chain"
        segments = []
        for item in record.records("segments", 2000):
            clip = self._clips.get(item.code("clip") or uuid.uuid4())
            if clip is None:
                raise Damaged(f"The chain “{title}” was left out: one of its clips is missing.")
            segments.append((item.number("position", 0, 2**31 - 1), clip))
        parent = record.code("branched_from")
        if parent and parent not in made:
            raise Damaged(f"The branch “{title}” was left out: what it leaves from is missing.")
        if len({position for position, _ in segments}) != len(segments):
            raise Damaged(f"The chain “{title}” was left out: two segments share a place.")
        with transaction.atomic():
            chain = Chain.objects.create(
                project=self._project,
                title=title,
                created_by=self._by,
                branched_from=made[parent] if parent else None,
                branched_position=record.number("branched_position", 0, 2**31 - 1, 0)
                if parent
                else None,
                **({} if here else {"code": code}),
            )
            Segment.objects.bulk_create(
                Segment(chain=chain, position=position, generation=clip)
                for position, clip in segments
            )
        made[code] = chain
        self.report.chains += 1


def _columns(record: Record) -> dict[str, Any]:
    """Return what a clip's record says of how it was asked for and judged."""
    verdict = record.text("verdict", 14)
    return {
        "title": record.text("title", 120),
        "prompt": record.text("prompt", 20_000),
        "sent_prompt": record.text("sent_prompt", 20_000),
        "concepts": record.words("concepts", 40),
        "duration_s": record.number("duration_s", 1, 3600),
        "aspect_ratio": record.text("aspect_ratio", 5, pattern=r"\d{1,2}:\d{1,2}") or "16:9",
        "resolution": record.text("resolution", 5),
        "loop": record.flag("loop"),
        "model": record.text("model", 60),
        "rating": record.number("rating", 0, 5, 0),
        "verdict": verdict if verdict in Verdict.values else Verdict.NONE,
        "created_at": record.moment("created_at"),
        "submitted_at": record.moment("created_at"),
        "finished_at": record.moment("finished_at"),
        # Paid for elsewhere; it must not weigh on this project's budget.
        "charged": Charged.NO,
        "raw_answer": {"imported": record.plain("comments")},
    }


def _account_for(provider: str) -> ProviderAccount:
    """Return the account imported clips are booked on: with another's key nothing can be continued."""
    if provider == "previs":
        found = ProviderAccount.objects.filter(provider="previs").order_by("pk").first()
        if found is not None:
            return found
    account, _ = ProviderAccount.objects.get_or_create(
        provider=provider, label=FOREIGN, defaults={"enabled": False}
    )
    return account
