"""Saved views as shares open them: what matches now, in the view's own order."""

from __future__ import annotations

from studio.models import Generation, SavedView
from studio.models.generation import GenerationQuerySet
from studio.services.gallery import filters, order
from studio.services.gallery.passing import rows_of


def matching(view: SavedView) -> GenerationQuerySet:
    """Return what the view shows at this moment, in its order.

    A condition that can no longer be read opens nothing at all: left out, as the gallery does, it
    would open more than was meant.
    """
    wanted = filters.read(view.query)
    if wanted.problems:
        return Generation.objects.none()
    rows = rows_of(view.project, wanted, view.owner)
    return order.ordered(rows, wanted.sort or order.DEFAULT)
