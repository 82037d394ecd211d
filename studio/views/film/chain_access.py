"""The one way to a chain for every view: found, and checked as its project is."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404

from studio.http import StudioRequest, project_for
from studio.models import Chain, Membership


def chain_for(request: StudioRequest, code: UUID, *, may: str = "see") -> Chain:
    """Return the chain, checked as `project_for` does; three queries."""
    try:
        chain = Chain.objects.select_related("project").get(code=code)
    except Chain.DoesNotExist:
        raise Http404("No such chain.") from None
    if not Membership.objects.filter(user=request.user, project=chain.project_id).exists():
        raise Http404("No such chain.")
    chain.project = project_for(request, chain.project.code, may=may)
    return chain
