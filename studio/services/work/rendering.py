"""Previs renders: the work between "running" and "storing" for shots rendered on this machine.

A render holds one of the machine's places for renders; without one it waits (see rooms.py).
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from django.db.models import F, Q, QuerySet
from django.utils import timezone
from PIL import Image

from studio import lifecycle
from studio.leases import claim_work, kept_lease, release_work, renew_work
from studio.media.video import first_frame, last_frame
from studio.models import Generation, Keyframe
from studio.models.generation import Charged, State
from studio.operations.context import about
from studio.previs import PrevisShot, RenderCancelled, render_shot
from studio.queue import call_for, enqueue
from studio.services import disk
from studio.services.files import local_copy, scratch_dir, scratch_file
from studio.services.work.isolation import isolated
from studio.services.work.rooms import RENDERS, room
from studio.services.work.storing import store_rendered

LEASE_S = 20
BEAT_S = 0.8  # how often progress is written and a cancel is noticed
MOST_ATTEMPTS = 3
ASK_AGAIN = timedelta(seconds=30)
RENDERED = "rendered"
NO_ROOM = "waits: as many renders run on this machine as may"
CALM = 5  # niceness of a render: pages, sends and polls come first


def render_previs(pk: int) -> str:
    """Render one shot and store it. Safe to call twice: the second call finds it taken."""
    with room(RENDERS) as free:
        if not free:
            # Asked for again when a place here is free, and every few seconds by the sweep.
            unheld(timezone.now()).filter(pk=pk).update(next_poll_at=timezone.now())
            return NO_ROOM
        if disk.is_short():
            return _wait_for_room(pk)
        said = _render(pk)
    ask_for_renders(timezone.now(), most=1)
    if said != RENDERED:
        return said
    return store_rendered(pk)


def unheld(now: datetime) -> QuerySet[Generation]:
    """Return the shots to be rendered here or elsewhere that no worker has in hand."""
    return Generation.objects.filter(
        Q(lease_until=None) | Q(lease_until__lt=now), state=State.RUNNING, provider="previs"
    )


def ask_for_renders(now: datetime, *, most: int) -> int:
    """Ask for renders nobody has begun, or whose worker died. Returns how many."""
    due = unheld(now).filter(Q(next_poll_at=None) | Q(next_poll_at__lte=now))
    asked = 0
    for pk in due.order_by("next_poll_at", "pk").values_list("pk", flat=True)[:most]:
        # At most every 30 s for one row, however full the queue is.
        with isolated(pk, "asking for a render"):
            if due.filter(pk=pk).update(next_poll_at=now + ASK_AGAIN):
                enqueue("render_previs", pk)
                asked += 1
    return asked


def _render(pk: int) -> str:
    token = claim_work(pk, state=State.RUNNING, seconds=LEASE_S, most=MOST_ATTEMPTS)
    if token is None:
        return "skipped: not waiting for a render"
    generation = Generation.objects.select_related("project", "start_keyframe", "end_keyframe").get(
        pk=pk
    )
    if generation.waiting_text:
        lifecycle.touch(pk, waiting_text="")
    out = scratch_dir() / f"render-{generation.code}-{token[:8]}.mp4"
    try:
        # The first frame may take longer than a lease: depth comes before it, and reports nothing.
        with (
            about(clip=generation.code),
            kept_lease(pk, token=token, state=State.RUNNING, seconds=LEASE_S),
            ends(generation) as (start, end),
        ):
            _render_calmly(_shot(generation, start, end), out, _heartbeat(pk, token))
    except RenderCancelled:
        return "stopped: cancelled, or taken by another worker"
    except (OSError, ValueError) as error:
        out.unlink(missing_ok=True)
        if disk.ran_out(error):
            return _wait_for_room(pk, token)
        lifecycle.mark_failed(
            pk,
            code="render",
            text=f"Previs could not render this: {error}",
            charged=Charged.NO,
            token=token,
        )
        call_for("submit_next", generation.account_id)
        return f"failed: {error}"
    moved = lifecycle.move(
        pk,
        State.STORING,
        old=State.RUNNING,
        reason="rendered",
        result_url=out.as_uri(),
        work_attempts=0,
        progress=100,
        # This very task stores it; another may, should this one die.
        next_poll_at=timezone.now() + timedelta(seconds=10),
        charged=Charged.NO,
        actual_microusd=0,
    )
    call_for("submit_next", generation.account_id)
    if not moved:
        out.unlink(missing_ok=True)
        return "stopped: cancelled as it finished"
    return RENDERED


def _wait_for_room(pk: int, token: str = "") -> str:
    """Leave a shot until the disk has room. With `token` it had begun: that try is given back."""
    until = timezone.now() + timedelta(seconds=disk.LOOK_AGAIN_S)
    rows: QuerySet[Generation]
    if token:
        rows = Generation.objects.filter(pk=pk, state=State.RUNNING, lease_token=token)
        rows.update(work_attempts=F("work_attempts") - 1, next_poll_at=until)
    else:
        rows = unheld(timezone.now()).filter(pk=pk)
        rows.update(next_poll_at=until)
    if rows.exclude(waiting_text=disk.WAITS).exists():
        lifecycle.touch(pk, waiting_text=disk.WAITS)
    if token:
        release_work(pk, token=token)
    return f"waits: {disk.WAITS}"


def _render_calmly(shot: PrevisShot, out: Path, beat: Callable[[int, int], bool]) -> None:
    """Render on a thread of lower priority; `beat` is called beside it. Raises what render_shot does.

    Only the thread is made nicer: the worker goes on to send and to poll at full speed.
    """
    reached = (0, 1)
    wanted = True

    def note(done: int, total: int) -> bool:
        nonlocal reached
        reached = (done, total)
        return wanted

    with ThreadPoolExecutor(1, "render", initializer=_calm_down) as pool:
        rendered = pool.submit(render_shot, shot, out, on_progress=note)
        try:
            while not wait([rendered], timeout=BEAT_S).done:
                wanted = wanted and beat(*reached)
        except BaseException:
            wanted = False
            raise
        rendered.result()


def _calm_down() -> None:
    if sys.platform == "linux":
        thread = threading.get_native_id()
        calm = max(CALM, os.getpriority(os.PRIO_PROCESS, thread))
        os.setpriority(os.PRIO_PROCESS, thread, calm)


def _heartbeat(pk: int, token: str) -> Callable[[int, int], bool]:
    last_percent = -1

    def beat(done: int, total: int) -> bool:
        nonlocal last_percent
        percent = done * 100 // max(total, 1)
        moved = percent != last_percent
        last_percent = percent
        return renew_work(
            pk,
            token=token,
            state=State.RUNNING,
            seconds=LEASE_S,
            progress=percent if moved else None,
        )

    return beat


def _shot(generation: Generation, start: Path | None, end: Path | None) -> PrevisShot:
    return PrevisShot(
        prompt=generation.prompt,
        concepts=tuple(generation.concepts),
        duration_s=generation.duration_s,
        aspect_ratio=generation.aspect_ratio,
        resolution=generation.resolution,
        loop=generation.loop,
        start=start,
        end=end,
        slate=f"Shot {generation.number}, take {generation.take}"
        if generation.project.slate
        else "",
    )


@contextmanager
def ends(generation: Generation) -> Iterator[tuple[Path | None, Path | None]]:
    """Yield local picture files for the two ends: a still, or the frame cut from the clip there."""
    with ExitStack() as stack:
        start = _picture(stack, generation.start_keyframe, generation.start_generation, last_frame)
        end = _picture(stack, generation.end_keyframe, generation.end_generation, first_frame)
        yield start, end


def _picture(
    stack: ExitStack,
    keyframe: Keyframe | None,
    clip: Generation | None,
    cut: Callable[[Path], Image.Image],
) -> Path | None:
    if keyframe is not None:
        return stack.enter_context(local_copy(keyframe.file))
    if clip is None:
        return None
    source = stack.enter_context(local_copy(clip.clip))
    path = stack.enter_context(scratch_file(".png"))
    cut(source).save(path, compress_level=1)
    return path
