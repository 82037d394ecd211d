"""How a clip or a film came to be, as its downloads and archives tell it."""

from __future__ import annotations

from studio import concepts
from studio.media.tags import FROM_A_MODEL, FROM_AN_ALGORITHM, Ingredient, Provenance
from studio.models import Export, Generation
from studio.providers.catalog import PROVIDER_LABELS, UnknownModel, get_spec
from studio.services.exchange.archive_people import makers
from studio.services.film.exports import clips_of


def provenance_of(generation: Generation) -> Provenance:
    """Return how this clip was made: what was asked, of whom, and what it was made from."""
    facts = {
        "project": generation.project.name,
        "clip": str(generation.number),
        "take": str(generation.take),
        "concepts": ", ".join(concepts.label(slug) for slug in generation.concepts),
        "resolution": generation.resolution,
        "job": generation.provider_job_id,
    }
    return Provenance(
        code=str(generation.code),
        title=generation.title,
        prompt=generation.prompt,
        model=generation.model,
        provider=provider_label(generation.provider),
        creator=makers([generation]).get(generation.pk, generation.by.name),
        made_at=generation.created_at,
        source_type=_source_type(generation),
        ingredients=_ends(generation),
        facts={name: value for name, value in facts.items() if value},
    )


def provenance_of_film(export: Export) -> Provenance:
    """Return how a film was made: of which clips, by which models."""
    clips = clips_of(export)
    modelled = any(_source_type(clip) == FROM_A_MODEL for clip in clips)
    return Provenance(
        code=str(export.code),
        title=export.chain.title,
        prompt="\n".join(dict.fromkeys(clip.prompt for clip in clips)),
        model=", ".join(dict.fromkeys(clip.model for clip in clips)),
        provider=", ".join(dict.fromkeys(provider_label(clip.provider) for clip in clips)),
        creator=export.created_by.name,
        made_at=export.created_at,
        source_type=FROM_A_MODEL if modelled else FROM_AN_ALGORITHM,
        ingredients=[
            Ingredient(str(clip.code), clip.title, f"segment {number}")
            for number, clip in enumerate(clips, 1)
        ],
        facts={"project": export.chain.project.name},
    )


def provider_label(provider: str) -> str:
    """Return a provider's name for people."""
    return PROVIDER_LABELS.get(provider, provider)


def _ends(generation: Generation) -> list[Ingredient]:
    ends = (
        ("start still", generation.start_keyframe),
        ("start clip", generation.start_generation),
        ("end still", generation.end_keyframe),
        ("end clip", generation.end_generation),
    )
    return [Ingredient(str(end.code), str(end), part) for part, end in ends if end is not None]


def _source_type(generation: Generation) -> str:
    try:
        local = get_spec(generation.provider, generation.model).local
    except UnknownModel:
        local = False
    return FROM_AN_ALGORITHM if local else FROM_A_MODEL
