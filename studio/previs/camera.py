"""Camera concepts as one camera path: where it stands, where it looks, how long its lens is.

Lengths are in units in which the nearest thing in the picture is 1 away and the frame's
half side (the root of width x height, halved) is 1 / FOCAL of that. Axes: x right, y down,
z forward. Yaw is positive to the right, pitch upwards, roll clockwise, all in radians.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import reduce

FOCAL = 2.6  # about a 35 mm lens on a full frame at 16:9
_USUAL = 1.7  # distance of a subject for which the moves below are measured
_HALF_TURN = math.pi


@dataclass(frozen=True, slots=True)
class Pose:
    """The state of the rig at one moment, as offsets from the frame it was given.

    Adding two poses composes two moves, so opposite moves of the same size cancel exactly.
    """

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    zoom: float = 0.0  # natural logarithm of the focal length's factor
    orbit: float = 0.0  # angle travelled around the subject, positive to the right
    rise: float = 0.0  # angle climbed around the subject, positive upwards
    vertigo: float = 0.0  # share of the way to the subject, the lens holding its size
    lens: float = 0.0  # barrel bend, 0 to about 0.3
    planet: float = 0.0  # how far the world is curled into a ball, 0 to 1
    spin: float = 0.0  # turn of that ball
    doors: float = 0.0  # how far elevator doors are shut, 0 to 1
    shoulder: float = 0.0  # how far a shoulder has come into frame, 0 to 1

    def __add__(self, other: Pose) -> Pose:
        return Pose(*(getattr(self, f) + getattr(other, f) for f in _FIELDS))

    def __sub__(self, other: Pose) -> Pose:
        return self + other * -1.0

    def __mul__(self, factor: float) -> Pose:
        return Pose(*(getattr(self, f) * factor for f in _FIELDS))

    def is_rest(self) -> bool:
        """Return whether this pose shows its picture exactly as given."""
        return all(abs(getattr(self, f)) < 1e-9 for f in _FIELDS)


_FIELDS = tuple(field.name for field in fields(Pose))


def ease(t: float, ramp: float = 0.32) -> float:
    """Return progress 0 to 1 of a rig with inertia: smooth start, steady middle, smooth stop.

    `ramp` is the share of the time spent speeding up, and again slowing down (0 to 0.5).
    """
    t = min(1.0, max(0.0, t))
    if t > 0.5:
        return 1.0 - ease(1.0 - t, ramp)
    if t < ramp:
        run = (t - ramp / _HALF_TURN * math.sin(_HALF_TURN * t / ramp)) / 2
    else:
        run = ramp / 2 + (t - ramp)
    return run / (1.0 - ramp)


def _there_and_back(t: float) -> float:
    return (1.0 - math.cos(2 * _HALF_TURN * t)) / 2


def _settle(t: float, by: float) -> float:
    return ease(t / by, 0.45)


@dataclass(frozen=True, slots=True)
class Clock:
    """What a move may ask about time: `t` is 0 to 1 through the shot."""

    t: float
    duration_s: float
    loop: bool

    @property
    def travel(self) -> float:
        """Return how much of the move is done, back at 0 at the end of a loop."""
        return _there_and_back(self.t) if self.loop else ease(self.t)

    def arrive(self, by: float) -> float:
        """Return progress of something that is in place `by` this share of the shot."""
        if not self.loop:
            return _settle(self.t, by)
        edge = min(0.5, by)
        return _settle(min(self.t, 1.0 - self.t), edge)

    def wave(self, hertz: float, phase: float) -> float:
        """Return a sine near `hertz`; in a loop the nearest that ends where it began."""
        turns = hertz * self.duration_s
        if self.loop:
            turns = max(1, round(turns))
        return math.sin(2 * _HALF_TURN * (turns * self.t + phase))

    @property
    def onset(self) -> float:
        """Return 0 at rest rising to 1: shake and sway grow out of stillness."""
        rise = min(0.35, 0.7 / self.duration_s)
        return self.arrive(rise)


def _rail(**end: float) -> Callable[[Clock], Pose]:
    pose = Pose(**end)
    return lambda clock: pose * clock.travel


def _angle(by: float, end: Pose, drift: Pose) -> Callable[[Clock], Pose]:
    return lambda clock: end * clock.arrive(by) + drift * clock.travel


def _noise(clock: Clock, base: float, phase: float) -> float:
    """Return smooth noise within about -1 to 1 made of waves that share no period."""
    return (
        0.55 * clock.wave(base, phase)
        + 0.30 * clock.wave(base * 1.93, phase * 2.1 + 0.37)
        + 0.15 * clock.wave(base * 3.71, phase * 3.7 + 0.11)
    )


def _handheld(clock: Clock) -> Pose:
    sway = Pose(
        x=0.016 * _noise(clock, 0.42, 0.13),
        y=0.012 * _noise(clock, 0.55, 0.71),
        z=0.014 * _noise(clock, 0.31, 0.45),
        yaw=0.0125 * _noise(clock, 0.63, 0.29),
        pitch=0.0105 * _noise(clock, 0.78, 0.57),
        roll=0.0095 * _noise(clock, 0.47, 0.83),
        zoom=0.035,
    )
    return sway * clock.onset


def _pov(clock: Clock) -> Pose:
    steps_hz = 1.8
    walk = Pose(
        x=0.010 * clock.wave(steps_hz / 2, 0.0),
        y=0.014 * clock.wave(steps_hz, 0.25),
        pitch=0.0065 * clock.wave(steps_hz, 0.05),
        roll=0.008 * clock.wave(steps_hz / 2, 0.1),
        zoom=0.04,
    )
    return walk * clock.onset + Pose(z=0.20) * clock.travel


def _selfie(clock: Clock) -> Pose:
    arm = Pose(
        x=0.030 * _noise(clock, 0.24, 0.2),
        y=0.014 * _noise(clock, 0.33, 0.6),
        yaw=0.022 * _noise(clock, 0.21, 0.35),
        roll=0.020 * _noise(clock, 0.27, 0.9),
        orbit=0.05 * clock.wave(0.2, 0.0),
    )
    return arm * clock.onset + Pose(lens=0.16, z=0.10) * clock.arrive(0.35)


def _drone(clock: Clock) -> Pose:
    air = Pose(
        roll=0.035 * clock.wave(0.21, 0.0),
        yaw=0.022 * clock.wave(0.21, 0.06),
        y=0.016 * clock.wave(0.3, 0.3),
    )
    return air * clock.onset + Pose(z=0.36, y=-0.055, pitch=-0.045) * clock.travel


def _spring(t: float) -> float:
    """Return a whip to 1 with a small overshoot and a settle, over t 0 to 1."""
    if t <= 0.0:
        return 0.0
    whip = 0.36
    if t < whip:
        return ease(t / whip, 0.5)
    rest = t - whip
    return 1.0 + 0.075 * math.sin(rest * 15.0) * math.exp(-rest * 7.0)


def _bolt(clock: Clock) -> Pose:
    # Two hits, each quick whatever the length of the shot: a robot arm has one speed.
    span = min(0.3, 1.2 / clock.duration_s)
    one = Pose(yaw=-0.16, z=0.10, roll=-0.05)
    two = Pose(yaw=0.21, z=0.22, y=0.05, roll=0.055, zoom=0.14)
    t = clock.t
    if clock.loop:
        out, back = _spring((t - 0.1) / span), _spring((t - 0.58) / span)
        return two * (out - back)
    return one * _spring((t - 0.09) / span) + two * _spring((t - 0.46) / span)


def _doors(clock: Clock) -> Pose:
    hold = 0.10
    if clock.loop:
        gap = _there_and_back(clock.t)
    else:
        gap = ease((clock.t - hold) / 0.52, 0.42)
    return Pose(doors=1.0 - gap) + Pose(z=0.09) * clock.travel


def _planet(clock: Clock) -> Pose:
    curl = clock.arrive(0.42)
    return Pose(planet=curl, spin=curl * 0.9 * (clock.t if not clock.loop else clock.travel))


_MOVES: dict[str, Callable[[Clock], Pose]] = {
    "static": lambda clock: Pose(),
    "push_in": _rail(z=0.42),
    "pull_out": _rail(z=-0.42),
    "truck_left": _rail(x=-0.19),
    "truck_right": _rail(x=0.19),
    "pan_left": _rail(yaw=-0.15),
    "pan_right": _rail(yaw=0.15),
    "tilt_up": _rail(pitch=0.105),
    "tilt_down": _rail(pitch=-0.105),
    "pedestal_up": _rail(y=-0.14),
    "pedestal_down": _rail(y=0.14),
    "crane_up": _rail(y=-0.30, z=-0.22, pitch=-0.105),
    "crane_down": _rail(y=0.30, z=0.22, pitch=0.105),
    "orbit_left": _rail(orbit=-0.21),
    "orbit_right": _rail(orbit=0.21),
    "zoom_in": _rail(zoom=0.36),
    "zoom_out": _rail(zoom=-0.36),
    "dolly_zoom": _rail(vertigo=0.36),
    "roll_left": _rail(roll=-0.20),
    "roll_right": _rail(roll=0.20),
    "eye_level": _angle(0.5, Pose(y=-0.012), Pose(z=0.10)),
    "low_angle": _angle(0.72, Pose(rise=-0.29, pitch=0.05, z=0.06), Pose(z=0.07)),
    "high_angle": _angle(0.72, Pose(rise=0.27, pitch=-0.02), Pose(z=-0.05)),
    "ground_level": _angle(0.7, Pose(y=0.24, pitch=0.085), Pose(z=0.14)),
    "overhead": _angle(0.78, Pose(rise=0.60, roll=0.06), Pose(roll=0.16)),
    "aerial": _angle(0.8, Pose(rise=0.34, z=-0.58, pitch=0.03), Pose(yaw=0.05, y=-0.03)),
    "over_the_shoulder": _angle(0.5, Pose(shoulder=1.0), Pose(x=0.055, orbit=0.05)),
    "pov": _pov,
    "handheld": _handheld,
    "selfie": _selfie,
    "aerial_drone": _drone,
    "bolt_cam": _bolt,
    "elevator_doors": _doors,
    "tiny_planet": _planet,
}


@dataclass(frozen=True, slots=True)
class CameraPath:
    """One camera for any number of concepts. Slugs it does not know leave it still."""

    concepts: tuple[str, ...]
    duration_s: float
    loop: bool = False

    def pose(self, t: float) -> Pose:
        """Return the pose at `t`, 0 to 1 through the shot, relative to rest."""
        clock = Clock(t, self.duration_s, self.loop)
        reach = (self.duration_s / 5.0) ** 0.35
        moves = [_MOVES[slug] for slug in dict.fromkeys(self.concepts) if slug in _MOVES]
        total = reduce(Pose.__add__, (move(clock) for move in moves), Pose())
        looks = {name: min(1.0, getattr(total, name)) for name in ("planet", "doors", "shoulder")}
        scaled = total * reach
        kept = {name: getattr(total, name) for name in ("spin", "lens")} | looks
        return Pose(*(kept.get(name, getattr(scaled, name)) for name in _FIELDS))

    def from_start(self, t: float) -> Pose:
        """Return the pose at `t` for a picture that fills the frame exactly at the start."""
        return self._relative(t, 0.0)

    def to_end(self, t: float) -> Pose:
        """Return the pose at `t` for a picture that fills the frame exactly at the end."""
        return self._relative(t, 0.0 if self.loop else 1.0)

    def between(self, t: float, progress: float) -> Pose:
        """Return what the move adds to a blend of two pictures of the same scene.

        The pictures hold the move's beginning and its end, so only what departs from the
        straight way between them is left: shake, sway, bob. At rest at both ends.
        """
        whole = self._relative(1.0, 0.0)
        return self._relative(t, 0.0) - whole * progress

    def moves(self) -> bool:
        """Return whether anything at all happens along this path."""
        return any(not self._relative(k / 8, 0.0).is_rest() for k in range(1, 9))

    def _relative(self, t: float, anchor: float) -> Pose:
        pose, zero = self.pose(t), self.pose(anchor)
        looks = {name: getattr(pose, name) for name in ("planet", "doors", "shoulder", "spin")}
        moved = pose - zero
        return Pose(*(looks.get(name, getattr(moved, name)) for name in _FIELDS))


@dataclass(frozen=True, slots=True)
class View:
    """A pose resolved against a scene: a pinhole camera ready to project."""

    centre: tuple[float, float, float]
    yaw: float
    pitch: float
    roll: float
    focal: float
    lens: float


def resolve(pose: Pose, pivot: float, half: tuple[float, float]) -> View:
    """Return the camera for `pose` in a scene whose subject has inverse depth `pivot`.

    `half` is the frame's half width and half height in units of the half side. Moves that
    look past the picture's edge buy part of that room with a little focal length.
    """
    reach = 1.0 / max(pivot, 0.2)
    swing, climb = pose.orbit, pose.rise
    # Rails are as long as the subject is far, so a close-up is not left behind.
    pose = replace(
        pose, x=pose.x * reach / _USUAL, y=pose.y * reach / _USUAL, z=pose.z * reach / _USUAL
    )
    x = pose.x + reach * math.sin(swing) * math.cos(climb)
    y = pose.y - reach * math.sin(climb)
    z = pose.z + reach * (1.0 - math.cos(swing) * math.cos(climb)) + pose.vertigo * reach
    yaw, pitch = pose.yaw - swing, pose.pitch - climb
    hold = math.log(1.0 - pose.vertigo) if pose.vertigo < 1.0 else 0.0
    zoom = pose.zoom + hold + _room(pose, half)
    return View((x, y, z), yaw, pitch, pose.roll, FOCAL * math.exp(zoom), pose.lens)


def _soft(value: float, knee: float = 0.05) -> float:
    # Quadratic through zero, so a shake that crosses zero leaves no kink in the zoom.
    return math.sqrt(value * value + knee * knee) - knee


def _room(pose: Pose, half: tuple[float, float]) -> float:
    """Return the logarithm of the zoom that keeps most of the frame inside the picture."""
    wide, high = half
    across = _soft(FOCAL * (pose.yaw + 0.45 * pose.x)) / wide
    along = _soft(FOCAL * (pose.pitch - 0.45 * pose.y)) / high
    ring = abs(_soft(pose.orbit, 0.03)) * 0.30 + abs(_soft(pose.rise, 0.03)) * 0.12
    lean = _soft(math.sin(pose.roll), 0.02) * max(wide / high, high / wide)
    return 0.42 * math.log1p(across + along) + 0.55 * math.log1p(lean) + ring
