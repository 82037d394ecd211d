"""What each provider's models can do, as plain data: one `ModelSpec` per provider and model.

Facts and their sources are in docs/providers.md. A model that is not listed is not offered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

# When the provider's own pages, SDK or specification were last read.
CHECKED = date(2026, 11, 20)
SIX_SHAPES = ("16:9", "9:16", "1:1", "4:3", "3:4", "21:9")
SEVEN_SHAPES = (*SIX_SHAPES, "9:21")
FOUR_SIZES = ("540p", "720p", "1080p", "4k")


class UnknownModel(KeyError):
    """No such provider or model in the catalogue. `str(error)` is a sentence for people."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model at one provider. Lengths in seconds, prompt limits in characters, inclusive."""

    provider: str
    id: str  # the provider's own model id
    label: str
    provider_label: str
    durations_s: tuple[int, ...] = (5, 9)
    image_durations_s: tuple[int, ...] = ()  # lengths allowed with a start or end; empty = all
    aspect_ratios: tuple[str, ...] = SEVEN_SHAPES
    resolutions: tuple[str, ...] = FOUR_SIZES
    fixed_duration: bool = False  # the model takes no such field
    fixed_resolution: bool = False
    prompt_min: int = 1
    prompt_max: int = 5000
    prompt_warn: int = 0  # longer than this may be refused; 0 = no such doubt
    prompt_optional_with_image: bool = False
    loop: bool = True
    start_image: bool = True
    end_image: bool = True
    extend_by_id: bool = False  # the start may be an earlier job of the same account
    prepend_by_id: bool = False  # the end may be
    mixes_ends: bool = True  # a job at one end and a picture at the other
    native_concepts: bool = False
    webhook: bool = False
    progress: bool = False
    batch_fetch: bool = False
    lists_jobs: bool = False
    logs_request_ids: bool = False  # a lost submit is found by the request id that we sent
    idempotent: bool = False  # the same submit may be sent again without buying twice
    uploads: bool = False  # the provider stores pictures sent to it
    needs_public_url: bool = False  # it fetches pictures itself and has no upload
    has_balance: bool = False
    free: bool = False
    local: bool = False
    deprecated: bool = False
    newer: bool = False
    fast: bool = False
    last_seen: date = CHECKED  # when the provider was last seen to offer it
    gone: bool = False  # the provider dropped it: no new shot, but what is there goes on
    dialect: str = ""  # "" or "legacy": which switch on the account this model needs

    @property
    def name(self) -> str:
        """Return provider and model in words, as a provider row shows them."""
        return self.label if self.local else f"{self.provider_label}, {self.label}"


PREVIS = ModelSpec(
    "previs",
    "previs-1",
    "Previs",
    "Previs",
    durations_s=(5, 9, 10),
    prompt_optional_with_image=True,
    native_concepts=True,
    progress=True,
    idempotent=True,
    free=True,
    local=True,
)

_APIFRAME = ModelSpec(
    "apiframe",
    "luma-ray-2",
    "Ray 2",
    "Apiframe",
    aspect_ratios=SIX_SHAPES,
    resolutions=("720p",),
    fixed_resolution=True,
    prompt_max=4000,
    native_concepts=True,
    webhook=True,
    progress=True,
    lists_jobs=True,
    idempotent=True,
    uploads=True,
    has_balance=True,
)

_AIMLAPI = ModelSpec(
    "aimlapi",
    "luma/ray-2",
    "Ray 2",
    "AI/ML API",
    prompt_warn=2048,
    extend_by_id=True,
    prepend_by_id=True,
    needs_public_url=True,
    has_balance=True,
    logs_request_ids=True,
)
# Ray 1.6 takes no length and no resolution: its clips are about 5 s at about 720p.
_AIMLAPI_16 = replace(
    _AIMLAPI,
    id="luma/ray-1-6",
    label="Ray 1.6",
    durations_s=(5,),
    resolutions=("720p",),
    fixed_duration=True,
    fixed_resolution=True,
    prompt_max=2048,
    prompt_warn=0,
    deprecated=True,
)
_AIMLAPI_32 = replace(
    _AIMLAPI,
    id="luma/ray-3.2",
    label="Ray 3.2",
    durations_s=(5, 10),
    aspect_ratios=SIX_SHAPES,
    resolutions=("360p", "540p", "720p", "1080p"),
    extend_by_id=False,
    prepend_by_id=False,
    newer=True,
)

_LEGACY = replace(
    _AIMLAPI,
    id="ray-2",
    prompt_max=2048,
    prompt_warn=0,
    webhook=True,
    batch_fetch=True,
    deprecated=True,
    dialect="legacy",
)

_GMI = ModelSpec(
    "gmicloud",
    "Luma-Ray2",
    "Ray 2",
    "GMI Cloud",
    lists_jobs=True,
    uploads=True,
)
_GMI_32 = replace(
    _GMI,
    id="luma-ray-3-2-generate",
    label="Ray 3.2",
    durations_s=(5, 10),
    image_durations_s=(5,),
    aspect_ratios=SIX_SHAPES,
    resolutions=("540p", "720p", "1080p"),
    prompt_max=6000,
    extend_by_id=True,
    prepend_by_id=True,
    mixes_ends=False,
    newer=True,
)

_LUMA = ModelSpec(
    "luma",
    "ray-2",
    "Ray 2",
    "Luma",
    prompt_min=3,
    prompt_optional_with_image=True,
    extend_by_id=True,
    prepend_by_id=True,
    native_concepts=True,
    webhook=True,
    lists_jobs=True,
    needs_public_url=True,
    has_balance=True,
)

_ALL = (
    PREVIS,
    _APIFRAME,
    replace(_APIFRAME, id="luma-ray-flash-2", label="Ray 2 Flash", fast=True),
    _AIMLAPI,
    replace(_AIMLAPI, id="luma/ray-flash-2", label="Ray 2 Flash", fast=True),
    _AIMLAPI_32,
    _AIMLAPI_16,
    _LEGACY,
    replace(_LEGACY, id="ray-flash-2", label="Ray 2 Flash", fast=True),
    replace(
        _LEGACY,
        id="ray-1-6",
        label="Ray 1.6",
        durations_s=(5,),
        resolutions=("720p",),
        fixed_duration=True,
        fixed_resolution=True,
    ),
    _GMI,
    _GMI_32,
    _LUMA,
    replace(_LUMA, id="ray-flash-2", label="Ray 2 Flash", fast=True),
    replace(
        _LUMA,
        id="ray-1-6",
        label="Ray 1.6",
        durations_s=(5,),
        resolutions=("720p",),
        fixed_duration=True,
        fixed_resolution=True,
        native_concepts=False,
        deprecated=True,
        # In Luma's SDK up to 1.18.1, no longer in 1.19.
        last_seen=date(2025, 10, 31),
        gone=True,
    ),
)

SPECS: dict[tuple[str, str], ModelSpec] = {(spec.provider, spec.id): spec for spec in _ALL}
PROVIDER_LABELS: dict[str, str] = {spec.provider: spec.provider_label for spec in _ALL}
# Submits an account may send within a minute. Luma says 20; elsewhere nothing is published for
# submits, and these stay well below what is said, or was seen, of requests in general.
SUBMITS_PER_MINUTE: dict[str, int] = {"luma": 20, "apiframe": 120, "aimlapi": 30, "gmicloud": 30}


def get_spec(provider: str, model: str) -> ModelSpec:
    """Return the spec of this model. Raises UnknownModel (a KeyError) naming what exists."""
    try:
        return SPECS[provider, model]
    except KeyError:
        known = ", ".join(spec.id for spec in _ALL if spec.provider == provider)
        if not known:
            slugs = ", ".join(PROVIDER_LABELS)
            raise UnknownModel(
                f"There is no provider “{provider}”. Choose one of: {slugs}."
            ) from None
        name = PROVIDER_LABELS[provider]
        raise UnknownModel(f"{name} has no model “{model}”. Choose one of: {known}.") from None


def specs_for(provider: str, dialect: str = "") -> tuple[ModelSpec, ...]:
    """Return a provider's models in the order they are offered, for accounts of this dialect."""
    return tuple(s for s in _ALL if s.provider == provider and s.dialect == dialect)
