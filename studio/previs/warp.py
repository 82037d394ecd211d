"""What a camera sees of a plate: every output pixel looked up backwards through depth."""

from __future__ import annotations

import math

import cv2
import numpy as np

from studio.previs.camera import FOCAL, Pose, View, resolve
from studio.previs.depth import Scene
from studio.previs.looks import curl, seam
from studio.previs.plate import Plate
from studio.previs.raster import (
    AREA,
    CUBIC,
    LINEAR,
    MIRROR,
    REPEAT,
    Field,
    Pixels,
    blended,
    blurred,
    looked_up,
    scaled,
    strips,
)

_FIRM = 0.55  # of the way to the rim the picture is never stretched
_MIRRORED = 0.15  # share of the overscan that mirrors instead of stretching
_MOST_STRETCH = 1.9  # twice would turn the picture back on itself
_ROUNDS = 8  # of the fixed point; the sheet is smooth, so the last moves under 0.1 px


def half_sides(size: tuple[int, int]) -> tuple[float, float]:
    """Return the frame's half width and half height in units of the half side."""
    unit = math.sqrt(size[0] * size[1]) / 2
    return size[0] / 2 / unit, size[1] / 2 / unit


def _step(size: tuple[int, int]) -> int:
    longest = max(size)
    return 4 if longest <= 960 else 8 if longest <= 2048 else 16


def _grid(size: tuple[int, int], step: int) -> Field:
    """Return coarse output positions in half sides, one cell beyond the frame on each side."""
    unit = math.sqrt(size[0] * size[1]) / 2
    columns, rows = -(-size[0] // step) + 2, -(-size[1] // step) + 2
    x = ((np.arange(columns, dtype=np.float32) - 0.5) * step - size[0] / 2) / unit
    y = ((np.arange(rows, dtype=np.float32) - 0.5) * step - size[1] / 2) / unit
    return np.dstack(np.meshgrid(x, y)).astype(np.float32)


def _rays(at: Field, view: View) -> Field:
    """Return where the rays through `at` point, as x and y for a depth of 1."""
    if view.lens:
        far = (at * at).sum(axis=2, keepdims=True)
        at = at * ((1.0 + view.lens * far) / (1.0 + view.lens * 1.6))
    x, y = at[..., 0] / view.focal, at[..., 1] / view.focal
    cos_r, sin_r = math.cos(view.roll), math.sin(view.roll)
    x, y = cos_r * x - sin_r * y, sin_r * x + cos_r * y
    cos_p, sin_p = math.cos(view.pitch), math.sin(view.pitch)
    y, z = cos_p * y - sin_p, sin_p * y + cos_p
    cos_y, sin_y = math.cos(view.yaw), math.sin(view.yaw)
    x, z = cos_y * x + sin_y * z, cos_y * z - sin_y * x
    z = np.maximum(z, 0.05)
    return np.dstack([x / z, y / z]).astype(np.float32)


def source_field(pose: Pose, plate: Plate, scene: Scene, cut: int = 0) -> Field:
    """Return the plate position (x, y in pixels of the 1.0 level) seen at each coarse cell.

    `cut` is for a curled world only, see `curl`.
    """
    size = plate.size
    unit = math.sqrt(size[0] * size[1]) / 2
    half = half_sides(size)
    view = resolve(pose, scene.pivot, half)
    at = curl(_grid(size, _step(size)), pose.planet, pose.spin, half, cut)
    rays = FOCAL * _rays(at, view)
    cx, cy, cz = view.centre
    slide = np.array([FOCAL * cx, FOCAL * cy], np.float32) - cz * rays
    origin = np.array(
        [plate.offset[0] + size[0] / 2 - 0.5, plate.offset[1] + size[1] / 2 - 0.5], np.float32
    )
    near = _nearness(rays, slide, origin, unit, plate, scene) if any(view.centre) else scene.pivot
    field = np.asarray((rays + near * slide) * unit + origin, dtype=np.float32)
    if pose.planet >= 1.0:
        return field
    drawn = _elastic(field, plate)
    return drawn if pose.planet <= 0.0 else drawn + (field - drawn) * pose.planet


def _nearness(
    rays: Field, slide: Field, origin: Field, unit: float, plate: Plate, scene: Scene
) -> Field:
    """Return the inverse depth met along each ray, found by a damped fixed point."""
    tall, broad = plate.levels[0][1].shape[:2]
    depth = np.array([scene.nearness.shape[1] / broad, scene.nearness.shape[0] / tall], np.float32)
    relief = scene.relief(slide)
    near: Field = np.full((*rays.shape[:2], 1), scene.pivot, np.float32)
    for _ in range(_ROUNDS):
        seen = (rays + near * slide) * unit + origin
        found = looked_up(scene.nearness, (seen + 0.5) * depth - 0.5, LINEAR, REPEAT)
        goal = scene.pivot + relief * (found[..., None] - scene.pivot)
        near = near + 0.7 * (goal - near)  # whole steps would swing about steep places
    return blurred(near[..., 0], 1.1)[..., None]  # evens out the teeth along steep edges


def _elastic(field: Field, plate: Plate) -> Field:
    """Return `field` with its outer part drawn inwards wherever it looks past the picture.

    The rim of the picture stretches like a wide lens, which passes for more of the place;
    only the rest of the overscan is left to the mirrored border.
    """
    out = field.copy()
    inner = [slice(1, -1), slice(1, -1)]
    for axis in (0, 1):
        middle = plate.offset[axis] + plate.size[axis] / 2 - 0.5
        reach = plate.size[axis] / 2 + plate.spare[axis]
        at = (field[..., axis] - middle) / reach
        for sign in (-1.0, 1.0):
            side = at * sign
            need = max(1.0, float(np.quantile(side[inner[0], inner[1]], 0.985)))
            kept = max(1.0 + _MIRRORED * (need - 1.0), _FIRM + (need - _FIRM) / _MOST_STRETCH)
            bow = (need - _FIRM) / (kept - _FIRM)
            s = np.maximum(side - _FIRM, 0.0) / (need - _FIRM)
            # Quadratic: joins the firm part without a crease and lands on `kept` at the rim.
            eased = _FIRM + (kept - _FIRM) * (bow * s + (1.0 - bow) * s * np.minimum(s, 1.15))
            out[..., axis] = np.where(side > _FIRM, eased * sign * reach + middle, out[..., axis])
    return out


def dense(field: Field, size: tuple[int, int], rows: tuple[int, int]) -> Field:
    """Return a coarse field at every pixel of some output rows, linear between its cells."""
    step = _step(size)
    part = field[rows[0] // step : -(-rows[1] // step) + 2]
    spread = scaled(part, (part.shape[1] * step, part.shape[0] * step), LINEAR)
    return spread[step : step + rows[1] - rows[0], step : step + size[0]]


def sample(plate: Plate, field: Field) -> Pixels:
    """Return the frame for a coarse `field`, from the level of detail it needs."""
    parts = [_sampled(plate, field, rows) for rows in strips(plate.size)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _sampled(plate: Plate, field: Field, rows: tuple[int, int]) -> Pixels:
    where = dense(field, plate.size, rows)
    fine_share = 0.0
    if len(plate.levels) > 1:
        grow = _magnified(field, _step(plate.size))
        fine_share = float(np.clip((grow - 1.06) / 0.08, 0.0, 1.0))
    if fine_share < 1.0:
        base = looked_up(plate.levels[0][1], where, CUBIC, MIRROR)
        if fine_share <= 0.0:
            return base
    scale, fine = plate.levels[1]
    # Linear is enough here: this level holds more pixels than the frame shows.
    sharp = looked_up(fine, (where + 0.5) * scale - 0.5, LINEAR, MIRROR)
    if fine_share >= 1.0:
        return sharp
    return np.asarray(cv2.addWeighted(base, 1 - fine_share, sharp, fine_share, 0.0), dtype=np.uint8)


def _magnified(field: Field, step: int) -> float:
    """Return how much larger than on the plate the middle of the frame appears."""
    tall, broad = field.shape[:2]
    core = field[tall // 4 : -(tall // 4), broad // 4 : -(broad // 4)]
    across = float(np.abs(np.diff(core[..., 0], axis=1)).mean()) / step
    along = float(np.abs(np.diff(core[..., 1], axis=0)).mean()) / step
    return 1.0 / max(1e-3, math.sqrt(across * along))


def bend(field: Field, plate: Plate, shift: Field) -> Field:
    """Return `field` displaced by `shift`, a map over the frame at any coarse size.

    The shift (x, y) is in pixels of its own size and is repeated past the frame's edge.
    """
    factor = np.array([shift.shape[1] / plate.size[0], shift.shape[0] / plate.size[1]], np.float32)
    place = (field - np.array(plate.offset, np.float32) + 0.5) * factor - 0.5
    return field + looked_up(shift, place, LINEAR, REPEAT) / factor


def see(pose: Pose, plate: Plate, scene: Scene, shift: Field | None = None) -> Pixels:
    """Return the frame the camera sees at `pose`; at rest exactly the picture itself.

    `shift` bends the picture first, as `bend` describes.
    """
    if pose.is_rest() and (shift is None or not shift.any()):
        return plate.frame.copy()
    field = source_field(pose, plate, scene)
    if shift is not None:
        field = bend(field, plate, shift)
    if pose.planet > 0.0:
        return _ball(pose, plate, scene, field)
    return sample(plate, field)


def _ball(pose: Pose, plate: Plate, scene: Scene, field: Field) -> Pixels:
    """Return a curled world with its ends blended and its middle smoothed."""
    size = plate.size
    shares = seam(_grid(size, _step(size)), pose.planet, half_sides(size))
    right, left = (source_field(pose, plate, scene, cut) for cut in (1, -1))
    base = plate.levels[0][1]
    small = blurred(scaled(base, (base.shape[1] // 16, base.shape[0] // 16), AREA), 2.5)
    parts = []
    for rows in strips(size):
        joined, rightward, inner = (dense(share, size, rows) for share in shares)
        ends = blended(_sampled(plate, left, rows), _sampled(plate, right, rows), rightward)
        both = blended(_sampled(plate, field, rows), ends, joined)
        soft = looked_up(small, dense(field, size, rows) / 16, LINEAR, MIRROR)
        parts.append(blended(both, soft, inner))
    return np.concatenate(parts)


def mix(first: Pixels, last: Pixels, share: Field) -> Pixels:
    """Return `first` giving way to `last` where `share` (0 to 1, any coarse size) says so."""
    if share.max() <= 0.0:
        return first
    if share.min() >= 1.0:
        return last
    size = (first.shape[1], first.shape[0])
    weight = scaled(share, size, LINEAR)
    return blended(first, last, weight)


def defocused(frame: Pixels, amount: float) -> Pixels:
    """Return `frame` out of focus, 0 (sharp) to 1 (no edge left)."""
    sigma = 0.028 * amount * max(frame.shape[:2])
    if sigma < 0.3:
        return frame
    if sigma < 5.0:
        return blurred(frame, sigma)
    # Soft enough to be drawn small; the factor grows with the blur, so no step shows.
    factor = sigma / 2.5
    size = (frame.shape[1], frame.shape[0])
    small = scaled(frame, (round(size[0] / factor), round(size[1] / factor)), AREA)
    rest = math.sqrt(max(0.1, (sigma / factor) ** 2 - 0.29))
    return scaled(blurred(small, rest), size, CUBIC)
