"""Bringing an archive's project into this studio. What is here already is left as it is.

Whatever dies in between, doing it again goes on: stills and clips are known by their SHA-256, and
a code that another project here has becomes one that is the same each time.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from django.db import models, transaction

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
from studio.services import disk
from studio.services.exchange.manifests import Archive, Damaged, Record
from studio.services.files import scratch_file
from studio.services.keyframes import store_keyframe
from studio.services.projects import create_project
from studio.services.work.storing import keep_media

FOREIGN = "Imported clips"  # the account foreign clips are booked on: no key, switched off
MOST_COMMENTS = 5000


@dataclass
class ImportReport:
    """What an import does, noted as it goes. `problems` are sentences about what was left out.

    A run keeps its own in its row (studio.services.exchange.import_runs); this one only counts.
    """

    project: Project
    done: int = 0  # clips dealt with, in the order of their numbers, by earlier tries too
    clips: int = 0
    known_clips: int = 0
    stills: int = 0
    chains: int = 0
    problems: list[str] = field(default_factory=list)

    def before_file(self) -> None:
        """Called before each file is read, outside a transaction. What it raises ends this try."""

    def before_row(self) -> None:
        """Called in the transaction that writes a clip, before its row. What it raises ends this try."""

    def note(
        self,
        *,
        done: int = 0,
        clips: int = 0,
        known_clips: int = 0,
        stills: int = 0,
        chains: int = 0,
        problem: str = "",
    ) -> None:
        """Add these. A clip that came in is noted in the transaction that writes it."""
        self.done += done
        self.clips += clips
        self.known_clips += known_clips
        self.stills += stills
        self.chains += chains
        if problem:
            self.problems.append(problem)


# ---- Ways in -----------------------------------------------------------------------------------


def import_archive(
    file: IO[bytes] | Path,
    *,
    by: User,
    project: Project | None = None,
    report: ImportReport | None = None,
) -> ImportReport:
    """Bring an archive in, one file after the other; a damaged one is left out and reported.

    Without `project` it becomes the project it was: the one here with its code, if this person
    may add to it, else a new one. Doing it again adds nothing, and after a crash adds the rest:
    `report` then says how many clips were dealt with. Raises StudioError for an archive that
    cannot be read, and NoRoom where the disk is nearly full.
    """
    with Archive(file) as archive:
        project = project or project_of(archive.manifest.record("project"), by)
        work = _Import(archive, by, report or ImportReport(project))
        work.bring_stills()
        work.bring_clips()
        work.bring_chains()
        return work.report


def project_of(record: Record, by: User) -> Project:
    """Return the project of an archive: the one here, if this person may add to it, or a new one."""
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

    def __init__(self, archive: Archive, by: User, report: ImportReport) -> None:
        self._archive = archive
        self._project = report.project
        self._by = by
        self._stills: dict[uuid.UUID, Keyframe] = {}
        self._clips: dict[uuid.UUID, Generation] = {}
        self._shots: dict[uuid.UUID, uuid.UUID] = {}
        # Only pointed at, and read again by each try: a project may have tens of thousands.
        self._kept_stills = {s.sha256: s for s in self._project.keyframes.only("sha256")}
        here = list(self._project.generations.exclude(sha256="").only("code", "sha256"))
        self._by_code = {g.code: g for g in here}
        # An archive may hold the same film twice: what is one of its own clips stands for no other.
        own = {code for record in archive.clips for code in self._codes(record)}
        self._by_film = {g.sha256: g for g in here if g.code not in own}
        self.report = report

    def bring_stills(self) -> None:
        for record in self._archive.stills:
            with self._forgiving():
                self._bring_still(record)

    def bring_clips(self) -> None:
        """Bring clips in the order of their numbers, so that what one continues is there before it."""
        records = sorted(self._archive.clips, key=lambda r: r.number("number", 0, 2**31 - 1))
        before = self.report.done
        for record in records[:before]:
            self._place(record, self._known(record))
        for record in records[before:]:
            with self._forgiving(done=1):
                self._bring_clip(record)
        for record in self._archive.stills:
            self._link_grabbed(record)

    def bring_chains(self) -> None:
        made: dict[uuid.UUID, Chain] = {}
        for record in self._archive.chains:
            with self._forgiving():
                self._bring_chain(record, made)

    @contextmanager
    def _forgiving(self, done: int = 0) -> Iterator[None]:
        """Go on after one bad file; a full disk or a lost database ends the work."""
        try:
            yield
        except (Damaged, ImageRefused, VideoUnreadable) as error:
            if disk.ran_out(error) or disk.is_short():
                # Not the file's fault, perhaps.
                raise disk.NoRoom(disk.shortage() or disk.WAS_FULL) from error
            self.report.note(done=done, problem=str(error))

    def _bring_still(self, record: Record) -> None:
        code, digest = record.code("code"), record.text("sha256", 64)
        still = self._kept_stills.get(digest)
        if still is None:
            self.report.before_file()
            name = " ".join(record.text("name", 120).split()) or "Still"
            with scratch_file(".image") as path:
                self._archive.extract(record, path)
                with path.open("rb") as source:
                    still, new = store_keyframe(
                        project=self._project, by=self._by, source=source, name=name
                    )
            if new:
                Keyframe.objects.filter(pk=still.pk).update(name=name)
                self.report.note(stills=1)
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
        known = self._known(record)
        if known is None:
            self.report.before_file()
            known = self._new_clip(record)
        else:
            self.report.note(done=1, known_clips=1)
        self._place(record, known)

    def _known(self, record: Record) -> Generation | None:
        """Return the clip this record is of, where an earlier try or somebody else brought it."""
        film = record.text("sha256", 64)
        for code in self._codes(record):
            clip = self._by_code.get(code)
            if clip is not None and clip.sha256 == film:
                return clip
        return self._by_film.get(film)

    def _place(self, record: Record, clip: Generation | None) -> None:
        code = record.code("code")
        if code and clip is not None:
            self._clips[code] = clip

    def _new_clip(self, record: Record) -> Generation:
        clip = Generation(
            project=self._project,
            by=self._by,
            account=_account_for(record.text("provider", 20, pattern=r"[a-z0-9-]+") or "previs"),
            number=record.number("number", 0, 2**31 - 1),
            **_columns(record),
            **self._ends(record),
        )
        clip.provider = clip.account.provider
        clip.code = _free_code(Generation, self._codes(record))
        clip.shot, clip.take = self._shot(record)
        with scratch_file(".mp4") as path:
            self._archive.extract(record, path)
            media = keep_media(clip, path)
        for name, value in media.items():
            setattr(clip, name, value)
        with transaction.atomic():
            self.report.before_row()
            lifecycle.import_clip(clip, actor=self._by)
            self._bring_comments(record, clip)
            self.report.note(done=1, clips=1)
        return clip

    def _codes(self, record: Record) -> list[uuid.UUID]:
        """Return the codes a row of this record may have here: its own, and the one beside it.

        The second is for where another project has the first; made of both, it is the same each time.
        """
        code = record.code("code")
        return [code, uuid.uuid5(self._project.code, str(code))] if code else []

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
            beside = uuid.uuid5(self._project.code, str(was))
            self._shots[was] = beside if elsewhere.exists() else was
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
        codes = self._codes(record) or [uuid.uuid4()]
        here = Chain.objects.filter(code__in=codes, project=self._project).first()
        if here is not None:
            made[codes[0]] = here
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
                code=_free_code(Chain, codes),
                project=self._project,
                title=title,
                created_by=self._by,
                branched_from=made[parent] if parent else None,
                branched_position=record.number("branched_position", 0, 2**31 - 1, 0)
                if parent
                else None,
            )
            Segment.objects.bulk_create(
                Segment(chain=chain, position=position, generation=clip)
                for position, clip in segments
            )
        made[codes[0]] = chain
        self.report.note(chains=1)


def _free_code(model: type[models.Model], codes: list[uuid.UUID]) -> uuid.UUID:
    """Return the first of these that no row has, or a new one."""
    taken = set(model._default_manager.filter(code__in=codes).values_list("code", flat=True))
    return next((code for code in codes if code not in taken), uuid.uuid4())


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
