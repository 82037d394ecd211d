"""Bringing an archive's project into this studio. What is here already is left as it is.

Whatever dies in between, doing it again goes on: stills and clips are known by their SHA-256, and
a code that another project here has becomes one that is the same each time.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from django.db import DataError, IntegrityError, models, transaction
from django.db.models import Max

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
from studio.models.generation import Charged, Verdict, title_from
from studio.plain_text import one_line
from studio.providers.catalog import PROVIDER_LABELS
from studio.services import disk
from studio.services.exchange.archive_people import Authors
from studio.services.exchange.import_order import bring_collection, bring_saved_view
from studio.services.exchange.import_review import MAX_MS, ReviewImport
from studio.services.exchange.manifests import Archive
from studio.services.exchange.project_values import ProjectValues, project_values
from studio.services.exchange.records import BadValue, Damaged, Record
from studio.services.files import scratch_file
from studio.services.keyframes import store_keyframe
from studio.services.projects import create_project, create_project_as_operator
from studio.services.work.arrival import keep_media

REVIEW = ("comments", "verdicts", "tags")  # brought in as rows
FOREIGN = "Imported clips"  # the account foreign clips are booked on: no key, switched off
# Far from where the next one would not fit its column.
MAX_CLIP_NUMBER = 9_999_999
MAX_TAKE_NUMBER = 9_999
MAX_POSITION = 9_999_999

logger = logging.getLogger(__name__)


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
        values = project_values(archive.project)
        project = project or project_of(values, by, make=create_project_as_operator)
        work = _Import(archive, by, report or ImportReport(project))
        work.note_problems([*archive.problems, *values.problems])
        work.bring_stills()
        work.bring_clips()
        work.bring_chains()
        work.bring_collections()
        work.bring_saved_views()
        return work.report


def project_of(
    values: ProjectValues, by: User, *, make: Callable[..., Project] = create_project
) -> Project:
    """Return the project of an archive: the one here, if this person may add to it, or a new one.

    Raises what `make` raises where this person may not make projects.
    """
    here = Project.objects.filter(code=values.code).first() if values.code else None
    if here is not None:
        membership = Membership.objects.filter(project=here, user=by).first()
        if membership is not None and membership.can_create:
            return here
    with transaction.atomic():
        made = make(name=values.name, by=by, description=values.description)
        code = made.code if here or values.code is None else values.code
        Project.objects.filter(pk=made.pk).update(code=code, **values.settings)
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
        self._review = ReviewImport(Authors(self._project, by), self._codes)
        # Only pointed at, and read again by each try: a project may have tens of thousands.
        self._kept_stills = {s.sha256: s for s in self._project.keyframes.only("sha256")}
        here = list(self._project.generations.exclude(sha256="").only("code", "sha256"))
        self._by_code = {g.code: g for g in here}
        # An archive may hold the same film twice: what is one of its own clips stands for no other.
        own = {code for record in archive.clips for code in self._known_codes(record)}
        self._by_film = {g.sha256: g for g in here if g.code not in own}
        self.report = report

    def note_problems(self, sentences: list[str]) -> None:
        for sentence in sentences:
            self.report.note(problem=sentence)

    def bring_stills(self) -> None:
        for record in self._archive.stills:
            with self._forgiving(record.label("The still")):
                self._bring_still(record)

    def bring_clips(self) -> None:
        """Bring clips in the order of their numbers, so that what one continues is there before it."""
        records = sorted(self._archive.clips, key=_order)
        before = self.report.done
        for record in records[:before]:
            # What is wrong with one was said by the try that left it out.
            with suppress(BadValue):
                self._place(record, self._known(record))
        for record in records[before:]:
            with self._forgiving(record.label("The clip"), done=1):
                self._bring_clip(record)
        for record in self._archive.stills:
            with suppress(BadValue):
                self._link_grabbed(record)

    def bring_chains(self) -> None:
        made: dict[uuid.UUID, Chain] = {}
        for record in self._archive.chains:
            with self._forgiving(record.label("The chain")):
                self._bring_chain(record, made)

    @contextmanager
    def _forgiving(self, label: str, done: int = 0) -> Iterator[None]:
        """Go on after one bad value or file; a full disk or a lost database ends the work."""
        try:
            yield
        except BadValue as error:
            self.report.note(done=done, problem=f"{label} was left out: {error.message}")
        except (DataError, IntegrityError):
            logger.exception("import into project %s: the database refused a row", self._project.pk)
            self.report.note(
                done=done, problem=f"{label} was left out: the database does not take it."
            )
        except (Damaged, ImageRefused, VideoUnreadable) as error:
            if disk.ran_out(error) or disk.is_short():
                # Not the file's fault, perhaps.
                raise disk.NoRoom(disk.shortage() or disk.WAS_FULL) from error
            self.report.note(done=done, problem=str(error))

    def _bring_still(self, record: Record) -> None:
        code, digest = record.code("code"), record.digest("sha256")
        name = one_line(record.text("name", 120)) or "Still"
        record.code("grabbed_from"), record.number("grabbed_at_ms", 0, MAX_MS, 0)
        still = self._kept_stills.get(digest)
        if still is None:
            self.report.before_file()
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
                grabbed_at_ms=record.number("grabbed_at_ms", 0, MAX_MS, 0),
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
        film = record.digest("sha256")
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
        absent: list[str] = []
        clip = Generation(
            project=self._project,
            by=self._by,
            account=_account_for(record),
            number=record.number("number", 0, MAX_CLIP_NUMBER),
            **_columns(record),
            **self._ends(record, absent),
        )
        clip.provider = clip.account.provider
        clip.code = _free_code(Generation, self._codes(record))
        clip.shot, clip.take = self._shot(record)
        clip.answers_comment = self._answered_comment(record, absent)
        with scratch_file(".mp4") as path:
            self._archive.extract(record, path)
            media = keep_media(clip, path)
        for name, value in media.items():
            setattr(clip, name, value)
        with transaction.atomic():
            self.report.before_row()
            lifecycle.import_clip(clip, actor=self._by)
            self.note_problems(absent + self._review.bring(record, clip))
            self.report.note(done=1, clips=1)
        return clip

    def _codes(self, record: Record, key: str = "code") -> list[uuid.UUID]:
        """Return the codes a row of this record may have here: its own, and the one beside it.

        The second is for where another project has the first; made of both, it is the same each time.
        """
        code = record.code(key)
        return [code, uuid.uuid5(self._project.code, str(code))] if code else []

    def _known_codes(self, record: Record) -> list[uuid.UUID]:
        try:
            return self._codes(record)
        except BadValue:
            return []  # said where the clip is read

    def _ends(self, record: Record, absent: list[str]) -> dict[str, Any]:
        """Return the clip's ends; note in `absent` those that did not come in."""
        ends: dict[str, Any] = {}
        for side in ("start", "end"):
            for kind, column, here in (
                ("still", f"{side}_keyframe", self._stills),
                ("clip", f"{side}_generation", self._clips),
            ):
                code = record.code(f"{side}_{kind}")
                ends[column] = here.get(code) if code else None
                if code and not ends[column]:
                    absent.append(_without(record, f"{side}_{kind}", f"its {side} {kind}"))
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
        shot, take = self._shots[was], record.number("take", 1, MAX_TAKE_NUMBER, 1)
        taken = Generation.objects.filter(shot=shot)
        if taken.filter(take=take).exists():
            # One question, however many takes there are: an archive may say the same of all.
            take = taken.aggregate(last=Max("take"))["last"] + 1
        if take > lifecycle.MAX_TAKE:
            raise Damaged(
                f"“{record.text('file', 160)}” was left out: its shot has too many takes."
            )
        return shot, take

    def _answered_comment(self, record: Record, absent: list[str]) -> Comment | None:
        """Return the comment that this clip answers; it came in with an earlier clip."""
        codes = self._codes(record, "answers_comment")
        rows = Comment.objects.filter(code__in=codes, generation__project=self._project)
        found = rows.first() if codes else None
        if codes and found is None:
            absent.append(_without(record, "answers_comment", "the comment it answers"))
        return found

    def bring_collections(self) -> None:
        for record in self._archive.collections:
            with self._forgiving(record.label("The collection")):
                absent = bring_collection(
                    record,
                    project=self._project,
                    by=self._by,
                    codes=self._codes(record),
                    clips=self._clips,
                )
                self.note_problems(absent)

    def bring_saved_views(self) -> None:
        for record in self._archive.saved_views:
            with self._forgiving(record.label("The saved view")):
                bring_saved_view(record, project=self._project, by=self._by)

    def _bring_chain(self, record: Record, made: dict[uuid.UUID, Chain]) -> None:
        codes = self._codes(record) or [uuid.uuid4()]
        here = Chain.objects.filter(code__in=codes, project=self._project).first()
        if here is not None:
            made[codes[0]] = here
            return
        title = one_line(record.text("title", 120)) or "Chain"
        segments = []
        for item in record.records("segments", 2000):
            clip = self._clips.get(item.code("clip") or uuid.uuid4())
            if clip is None:
                raise Damaged(f"The chain “{title}” was left out: one of its clips is missing.")
            segments.append((item.number("position", 0, MAX_POSITION), clip))
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
                branched_position=record.number("branched_position", 0, MAX_POSITION, 0)
                if parent
                else None,
            )
            Segment.objects.bulk_create(
                Segment(chain=chain, position=position, generation=clip)
                for position, clip in segments
            )
        made[codes[0]] = chain
        self.report.note(chains=1)


def _order(record: Record) -> int:
    """Return the clip's number; 0 where it has none that can be."""
    try:
        return record.number("number", 0, MAX_CLIP_NUMBER)
    except BadValue:
        return 0


def _without(record: Record, key: str, noun: str) -> str:
    """Return a sentence on a clip that came in without what this key points at."""
    return f"{record.label('The clip')} came in without {noun}: {record.shown(key)} is not here."


def _free_code(model: type[models.Model], codes: list[uuid.UUID]) -> uuid.UUID:
    """Return the first of these that no row has, or a new one."""
    taken = set(model._default_manager.filter(code__in=codes).values_list("code", flat=True))
    return next((code for code in codes if code not in taken), uuid.uuid4())


def _columns(record: Record) -> dict[str, Any]:
    """Return what a clip's record says of how it was asked for and judged."""
    record.text("by", 80)  # kept with the rest, for whoever asks who made it
    prompt = record.text("prompt", 20_000)
    return {
        "title": record.text("title", 120) or title_from(prompt),
        "prompt": prompt,
        "sent_prompt": record.text("sent_prompt", 20_000),
        "style_notes": record.text("style_notes", 500),
        "concepts": record.words("concepts", 40),
        "duration_s": record.number("duration_s", 1, 3600),
        "aspect_ratio": record.text(
            "aspect_ratio", 5, pattern=r"[0-9]{1,2}:[0-9]{1,2}", allowed="a ratio such as 16:9"
        )
        or "16:9",
        "resolution": record.text("resolution", 5),
        "loop": record.flag("loop"),
        "model": record.text("model", 60),
        "rating": record.number("rating", 0, 5, 0),
        "verdict": record.choice("verdict", Verdict.values),
        "verdict_at": record.moment("verdict_at") if record.has("verdict_at") else None,
        "created_at": record.moment("created_at"),
        "submitted_at": record.moment("created_at"),
        "finished_at": record.moment("finished_at"),
        # Paid for elsewhere; it must not weigh on this project's budget.
        "charged": Charged.NO,
        "raw_answer": {"imported": record.plain(*REVIEW)},
    }


def _account_for(record: Record) -> ProviderAccount:
    """Return the account imported clips are booked on: with another's key nothing can be continued.

    Raises Damaged for a provider that this studio does not know.
    """
    names = ", ".join(PROVIDER_LABELS)
    provider = record.text("provider", 20, pattern=r"[a-z0-9-]+", allowed=f"one of {names}")
    provider = provider or "previs"
    if provider not in PROVIDER_LABELS:
        name = record.text("file", 160)
        raise Damaged(
            f"“{name}” was left out: this studio does not know its provider “{provider}”."
        )
    if provider == "previs":
        found = ProviderAccount.objects.filter(provider="previs").order_by("pk").first()
        if found is not None:
            return found
    account, _ = ProviderAccount.objects.get_or_create(
        provider=provider, label=FOREIGN, defaults={"enabled": False}
    )
    return account
