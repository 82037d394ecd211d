"""What django-q2 runs. Thin: each hands ids to a service and returns a sentence for the admin.

Every task may run twice; the second run finds its claim taken and returns.
"""

from __future__ import annotations

from django.apps import apps
from django.utils import timezone

from studio import sweep as sweeping
from studio.queue import enqueue
from studio.services import clip_facts, email_address, notices
from studio.services.apart import Apart
from studio.services.bulk import runs
from studio.services.exchange import import_runs
from studio.services.film import stitching
from studio.services.gallery import bin as bin_
from studio.services.gallery.like_names import fold_new_names
from studio.services.news import deliveries, digest
from studio.services.retention import routine
from studio.services.work import (
    balances,
    failover,
    late_downloads,
    orphans,
    probing,
    recovery,
    rendering,
    storing,
    submitting,
)
from studio.services.work import reconcile as reconciling
from studio.services.work.rooms import ERRANDS, RENDERS, SENDS, room


def submit_next(account_pk: int) -> str:
    """Send the next shot waiting at one account."""
    with room(SENDS) as free:
        if not free:
            return "waits: as many shots are being sent from this machine as may be"
        said = submitting.submit_next(account_pk)
    if not said.startswith("skipped"):
        submitting.ask_for_next(account_pk)
    return said


def render_previs(generation_pk: int) -> str:
    """Render one Previs shot on this machine."""
    said = rendering.render_previs(generation_pk)
    if said != rendering.NO_ROOM:
        recovery.ask_for_export()
    return said


def store_clip(generation_pk: int) -> str:
    """Fetch and keep one finished clip."""
    return storing.store_clip(generation_pk)


def store_next() -> str:
    """Fetch and keep the finished clip that waits longest."""
    return storing.store_next()


def fetch_late() -> str:
    """Ask for one more try of each clip that could not be downloaded in the first minutes."""
    return f"{late_downloads.fetch_late()} asked for"


def store_late(generation_pk: int) -> str:
    """Try once more to fetch the clip of a failed shot."""
    return late_downloads.store_late(generation_pk)


def measure_clips() -> str:
    """Measure clips that an earlier version stored, a batch at a time until all are done."""
    with room(ERRANDS) as free:
        if not free:
            return "waits: other errands are being done"
        measured = clip_facts.measure_earlier_clips()
    if measured == clip_facts.BATCH:
        enqueue("measure_clips")
    return f"{measured} measured"


def reconcile(account_pk: int) -> str:
    """Look at the provider for this account's shots that nobody knows the fate of."""
    with room(ERRANDS) as free:
        # The sweep asks again, half a minute later.
        return f"{reconciling.reconcile_account(account_pk)} found" if free else "waits its turn"


def sweep() -> str:
    """Watch everything in flight for a while, then hand over to a fresh sweep."""
    return sweeping.run_slice()


def fail_over(generation_pk: int) -> str:
    """Let another provider take over a failed shot, where its project allows that."""
    return failover.fail_over_by_itself(generation_pk)


def sweep_orphans() -> str:
    """Ask the providers what they know that the studio does not."""
    found = orphans.sweep_orphans()
    return f"{found.seen} jobs seen, {found.fetched} being fetched, {found.orphans} unknown here"


def refresh_balances() -> str:
    """Ask every account what is left on it."""
    return f"{balances.ask_balances()} asked"


def refresh_balance(*account_pks: int) -> str:
    """Ask these accounts, one after the other, what is left on them."""
    with room(ERRANDS) as free:
        if not free:
            return "left out: asked again in a while"
        return balances.refresh_each(account_pks)


def probe_account(account_pk: int) -> str:
    """Ask whether a held account can be used again."""
    with room(ERRANDS) as free:
        return probing.probe(account_pk) if free else "left out: asked again in a while"


def send_webhooks() -> str:
    """Send what webhooks are to be told, and is due."""
    with room(ERRANDS) as free:
        return deliveries.send_due() if free else "waits its turn: asked again in a minute"


def send_digests() -> str:
    """Send the digests by e-mail that are due."""
    with room(ERRANDS) as free:
        return digest.send_due() if free else "waits its turn: asked again in a while"


def send_notice(user_pk: int, kind: str, to: str, at: str) -> str:
    """Tell somebody by mail what changed in how they sign in."""
    return notices.send(user_pk, kind, to, at)


def send_address_link(user_pk: int, new: str, base_url: str) -> str:
    """Mail somebody the link that makes a new address theirs."""
    return email_address.send_link(user_pk, new, base_url)


def work_bulk(run_pk: int) -> str:
    """Do what is left of one action on many clips, or of its undoing."""
    return runs.work(run_pk)


def resume_bulk() -> str:
    """Go on with actions on many clips, and with imports, whose worker is gone."""
    return f"{runs.resume_left()} actions and {import_runs.resume_left()} imports asked for"


def clear_up() -> str:
    """Let go of what is due: the bin's files, files without a row, old rows. Fold new names."""
    apart = Apart()
    with apart.one("the folding of new names"):
        fold_new_names(apps)
    return f"{routine.clear_up().sentence}{apart}"


def empty_bin(project_pk: int, until: str) -> str:
    """Remove the files of what was in a project's bin at that moment."""
    return f"{bin_.empty(project_pk=project_pk, until=until)} clips purged"


def stitch_export(export_pk: int) -> str:
    """Stitch one export."""
    with room(RENDERS) as free:
        if not free:
            return rendering.NO_ROOM
        said = stitching.stitch_export(export_pk)
    if said == stitching.WAITS:
        return said
    rendering.ask_for_renders(timezone.now(), most=1)
    recovery.ask_for_export()
    return said


def work_import(run_pk: int) -> str:
    """Bring in what is left of one archive, for a while."""
    return import_runs.work(run_pk)


def import_archive(name: str, by_pk: int, project_pk: int) -> str:
    """Bring in one archive that the version before put aside."""
    run = import_runs.adopt(archive=name, by_pk=by_pk, project_pk=project_pk)
    return import_runs.work(run.pk) if run else "skipped: it was brought in already"
