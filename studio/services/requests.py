"""From a generation to what is asked of its provider, pictures included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

from django.conf import settings
from django.core import signing
from django.utils.crypto import salted_hmac

from studio.lifecycle import SENDING
from studio.media.video import first_frame, last_frame
from studio.models import Generation, Keyframe, ProviderAccount
from studio.providers.base import End, ImageEnd, JobEnd, Provider, Refused, ShotRequest
from studio.providers.catalog import ModelSpec
from studio.providers.wishes import sent_prompt, written
from studio.services.files import local_copy, scratch_file
from studio.services.keyframes import store_keyframe
from studio.services.money.offers import pictures_reachable

PICTURE_SALT = "studio.picture"
PICTURE_LIFE = timedelta(hours=24)
Side = Literal["start", "end"]


def build_request(generation: Generation, provider: Provider, spec: ModelSpec) -> ShotRequest:
    """Return the request, having put its pictures where the provider can fetch them.

    May upload, and may cut a frame from a clip; buys nothing. Raises any ProviderError.
    """
    return ShotRequest(
        model=spec.id,
        prompt=_keep_text(generation, spec),
        duration_s=generation.duration_s,
        aspect_ratio=generation.aspect_ratio,
        resolution=generation.resolution,
        loop=generation.loop,
        concepts=tuple(generation.concepts),
        start=_end(generation, "start", provider, spec),
        end=_end(generation, "end", provider, spec),
        idempotency_key=str(generation.idempotency_key),
        callback_url=_callback_url(generation, spec),
    )


def describe_request(generation: Generation, spec: ModelSpec) -> ShotRequest:
    """Return the request as it would look, with addresses in place of pictures. Sends nothing."""
    return ShotRequest(
        model=spec.id,
        prompt=text_to_send(generation, spec),
        duration_s=generation.duration_s,
        aspect_ratio=generation.aspect_ratio,
        resolution=generation.resolution,
        loop=generation.loop,
        concepts=tuple(generation.concepts),
        start=travels_by_id(generation, "start", spec) or _named_picture(generation, "start"),
        end=travels_by_id(generation, "end", spec) or _named_picture(generation, "end"),
        idempotency_key=str(generation.idempotency_key),
        callback_url=_callback_url(generation, spec),
    )


def text_to_send(generation: Generation, spec: ModelSpec) -> str:
    """Return the text that goes to the provider: as stored, or built where none is stored yet."""
    if generation.sent_prompt:
        return generation.sent_prompt
    text = written(generation.prompt, generation.style_notes)
    return sent_prompt(spec, text, generation.concepts)


def _keep_text(generation: Generation, spec: ModelSpec) -> str:
    """Return the text to send, stored first: rows of earlier versions may have none."""
    text = text_to_send(generation, spec)
    if text != generation.sent_prompt:
        Generation.objects.filter(pk=generation.pk, sent_prompt="").update(sent_prompt=text)
        generation.sent_prompt = text
    return text


def describe_sent(
    request: ShotRequest, generation: Generation, spec: ModelSpec, *, at: datetime
) -> dict[str, Any]:
    """Return what is asked of the provider as it is stored with the shot: plain values, no secret.

    A picture is its address without query and fragment, an earlier job `job:` and its id. `*_ids`
    are that job's other ids: a provider may repeat the end by the clip's id, not the job's.
    `earlier` are the tries before a person sent it again: their jobs may still turn up.
    """
    return {
        "model": request.model,
        "prompt": request.prompt,
        "duration_s": request.duration_s,
        "aspect_ratio": request.aspect_ratio,
        "resolution": request.resolution,
        "loop": request.loop,
        "concepts": list(request.concepts),
        "start": end_text(request.start),
        "end": end_text(request.end),
        "start_ids": _other_ids(request.start, generation.start_generation),
        "end_ids": _other_ids(request.end, generation.end_generation),
        "base_url": generation.account.base_url,
        "credentials": _credentials_mark(generation.account),
        "dialect": spec.dialect,
        "sent_at": at.isoformat(),
        **{
            key: generation.sent_request[key]
            for key in ("earlier",)
            if key in generation.sent_request
        },
    }


def was_sent_elsewhere(generation: Generation) -> bool:
    """Whether the account's key or base URL was changed since this shot was sent.

    Behind the new ones may be another account, which knows neither the order number nor the job, so
    that its list proves nothing. Rows of earlier versions cannot tell.
    """
    mark = generation.sent_request.get("credentials")
    return mark is not None and mark != _credentials_mark(generation.account)


def _credentials_mark(account: ProviderAccount) -> str:
    """Return what tells one key and base URL from another, and neither of them."""
    text = f"{account.base_url}\n{account.reveal_key()}"
    return salted_hmac("studio.credentials", text, algorithm="sha256").hexdigest()[:32]


def end_text(end: End) -> str:
    """Return an end as it is stored and compared; empty when the shot has none."""
    if isinstance(end, JobEnd):
        return f"job:{end.job_id}"
    if isinstance(end, ImageEnd):
        return urlsplit(end.url)._replace(query="", fragment="").geturl()
    return ""


def _other_ids(end: End, clip: Generation | None) -> list[str]:
    """Return every id in the answer about the job that is this end; GMI Cloud's clips have their own."""
    if not isinstance(end, JobEnd) or clip is None:
        return []
    return sorted(set(_ids_in(clip.raw_answer)) - {end.job_id})


def _ids_in(answer: Any) -> Iterator[str]:
    if isinstance(answer, Mapping):
        for key, value in answer.items():
            if isinstance(value, str) and (key == "id" or key.endswith("_id")):
                yield value
            else:
                yield from _ids_in(value)
    elif isinstance(answer, list):
        for item in answer:
            yield from _ids_in(item)


def travels_by_id(generation: Generation, side: Side, spec: ModelSpec) -> JobEnd | None:
    """Return the end as the provider's own job id, where it can go that way.

    A keyframe beside the clip was cut from it: then the frame goes, not the id.
    """
    clip: Generation | None = getattr(generation, f"{side}_generation")
    keyframe: Keyframe | None = getattr(generation, f"{side}_keyframe")
    able = spec.extend_by_id if side == "start" else spec.prepend_by_id
    if clip is None or keyframe is not None or not able or clip.account_id != generation.account_id:
        return None
    other = "end" if side == "start" else "start"
    if not spec.mixes_ends and getattr(generation, f"{other}_keyframe"):
        return None  # this model takes two ids or two pictures, not one of each
    return JobEnd(clip.provider_job_id) if clip.provider_job_id else None


def _end(generation: Generation, side: Side, provider: Provider, spec: ModelSpec) -> End:
    by_id = travels_by_id(generation, side, spec)
    if by_id is not None:
        return by_id
    keyframe = getattr(generation, f"{side}_keyframe") or cut_end(generation, side)
    if keyframe is None:
        return None
    if not spec.uploads:
        if not pictures_reachable():
            raise Refused(
                f"{spec.provider_label} fetches pictures itself, and this studio has no public "
                "address. Set STUDIO_PUBLIC_URL, or choose another provider."
            )
        return ImageEnd(public_picture_url(keyframe))
    kept = generation.uploads.get(side)
    if kept and generation.raw_status == SENDING:
        # The provider compares a repeated order with the first: the picture's address too.
        return ImageEnd(kept)
    with keyframe.file.open("rb") as file:
        url = provider.upload_image(file.read(), keyframe.content_type)
    generation.uploads[side] = url
    Generation.objects.filter(pk=generation.pk).update(uploads=generation.uploads)
    return ImageEnd(url)


def cut_end(generation: Generation, side: Side) -> Keyframe | None:
    """Keep the frame where this shot joins its neighbour as a still, and note it on the shot.

    The start joins the neighbour's last frame, the end its first. None when there is no neighbour.
    """
    clip: Generation | None = getattr(generation, f"{side}_generation")
    if clip is None:
        return None
    with local_copy(clip.clip) as source, scratch_file(".png") as path:
        frame = last_frame(source) if side == "start" else first_frame(source)
        frame.save(path, compress_level=1)
        with path.open("rb") as file:
            keyframe, _ = store_keyframe(
                project=generation.project,
                by=generation.by,
                source=file,
                name=f"{'Last' if side == 'start' else 'First'} frame of clip {clip.number}",
                grabbed_from=clip,
                grabbed_at_ms=(clip.duration_ms or 0) if side == "start" else 0,
            )
    Generation.objects.filter(pk=generation.pk).update(**{f"{side}_keyframe": keyframe})
    setattr(generation, f"{side}_keyframe", keyframe)
    return keyframe


def public_picture_url(keyframe: Keyframe) -> str:
    """Return an address where anybody holding it can fetch this still for a day."""
    if settings.STUDIO_STORAGE.startswith("s3://"):
        bucket: Any = keyframe.file.storage
        url: str = bucket.url(keyframe.file.name, expire=int(PICTURE_LIFE.total_seconds()))
        return url
    token = signing.dumps(str(keyframe.code), salt=PICTURE_SALT, compress=True)
    extension = (keyframe.file.name or "").rsplit(".", 1)[-1]
    return f"{settings.PUBLIC_URL}/media/fetch/{token}.{extension}"


def read_picture_token(token: str) -> str:
    """Return the still's code. Raises signing.BadSignature when forged or older than a day."""
    code: str = signing.loads(token, salt=PICTURE_SALT, max_age=PICTURE_LIFE)
    return code


def _named_picture(generation: Generation, side: Side) -> ImageEnd | None:
    keyframe: Keyframe | None = getattr(generation, f"{side}_keyframe")
    clip: Generation | None = getattr(generation, f"{side}_generation")
    if keyframe is not None:
        return ImageEnd(f"https://studio.invalid/{keyframe.name or keyframe.code}")
    return ImageEnd(f"https://studio.invalid/frame-of-clip-{clip.number}") if clip else None


def _callback_url(generation: Generation, spec: ModelSpec) -> str:
    if not spec.webhook or not settings.PUBLIC_URL.startswith("https://"):
        return ""
    return f"{settings.PUBLIC_URL}/hooks/{spec.provider}/{generation.account.webhook_token}/"
