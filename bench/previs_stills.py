"""The three pictures on which Previs is shown and measured, drawn by arithmetic alone.

A landscape with depth in the air, a face close to the lens, a hall of columns.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


def _colour(hexa: str) -> Plane:
    return np.array([int(hexa[i : i + 2], 16) for i in (1, 3, 5)], np.float32)


def _mix(a: Plane, b: Plane, share: Plane) -> Plane:
    return np.asarray(a + (b - a) * share[..., None], dtype=np.float32)


def _ramp(x: Plane, low: float, high: float) -> Plane:
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), dtype=np.float32)


def fractal(
    shape: tuple[int, int], cells: int, octaves: int, seed: int, gain: float = 0.5
) -> Plane:
    """Return soft noise of about -1 to 1; `cells` waves fit across the first octave."""
    tall, broad = shape
    rng = np.random.default_rng(seed)
    total, weight, norm = np.zeros(shape, np.float32), 1.0, 0.0
    for octave in range(octaves):
        across = cells << octave
        rows = max(2, round(across * tall / broad))
        coarse = rng.uniform(-1, 1, (rows + 3, across + 3)).astype(np.float32)
        fine = cv2.resize(coarse, (broad, tall), interpolation=cv2.INTER_CUBIC)
        total += weight * fine
        norm += weight
        weight *= gain
    return np.asarray(total / norm * 1.6, dtype=np.float32)


def landscape(width: int = 1792, height: int = 1008) -> Pixels:
    """Return ridges under an evening sky, a meadow, a lone tree and a stone wall."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    u, v = x / width, y / height
    shape = (height, width)
    sky = _mix(_colour("#3f5f8f"), _colour("#f3c9a0"), _ramp(v, 0.0, 0.52))
    cloud = _ramp(fractal(shape, 5, 6, 11) - np.abs(v - 0.22) * 1.6, -0.1, 0.5)
    picture = _mix(sky, _colour("#ffe9d2"), cloud * 0.75)
    glow = np.exp(-(((u - 0.72) / 0.16) ** 2) - ((v - 0.44) / 0.14) ** 2)
    picture = _mix(picture, _colour("#fff1cf"), glow.astype(np.float32) * 0.9)
    tones = ("#9aa3b8", "#74829c", "#515f72", "#3d4a4c")
    for layer, tone in enumerate(tones):
        ridge = fractal((1, width), 3 + 2 * layer, 7, 21 + layer, 0.52)[0]
        crest = 0.40 + 0.045 * layer + 0.055 * ridge * (1.3 - 0.2 * layer)
        inside = np.clip((v - crest[None, :]) * height / 1.5 + 0.5, 0, 1)
        rock = 1 + 0.22 * fractal(shape, 26 + 18 * layer, 5, 31 + layer)[..., None]
        mist = _ramp(v - crest[None, :], 0.0, 0.20)
        body = _mix(_colour(tone) * rock, _colour("#d9c3b4"), mist * (0.75 - 0.14 * layer))
        picture = _mix(picture, body, inside.astype(np.float32))
    picture = _meadow(picture, u, v)
    picture = _tree(picture, width, height)
    grain = np.random.default_rng(5).normal(0, 2.0, (height, width, 1)).astype(np.float32)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


def _meadow(picture: Plane, u: Plane, v: Plane) -> Plane:
    height, width = v.shape
    crest = 0.605 + 0.012 * fractal((1, width), 4, 3, 77)[0][None, :]
    near = np.clip((v - crest) / (1 - crest), 0, 1)
    far = 1.0 / (near + 0.06)
    rng = np.random.default_rng(8)
    texture = rng.normal(size=(512, 512)).astype(np.float32)
    texture = cv2.GaussianBlur(texture, (0, 0), 1.0) * 3
    total = np.zeros_like(v)
    for scale, weight in ((40, 0.5), (150, 0.35), (480, 0.3)):
        at_x = ((u - 0.5) * far * scale) % 512
        at_y = (far * scale * 0.9) % 512
        got = cv2.remap(texture, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        total += weight * got * _ramp(near, -0.1, 0.02 + scale / 900)
    grass = _mix(_colour("#8d8a55"), _colour("#3f5328"), _ramp(near, 0.0, 0.9))
    grass = grass * (1 + 0.30 * total[..., None])
    path = np.abs((u - 0.5) - 0.16 * np.sin(near * 3.4 + 0.4) * (1 - near) + 0.05) / (near + 0.05)
    grass = _mix(
        grass, _colour("#c8ad84") * (1 + 0.12 * total[..., None]), 1 - _ramp(path, 0.10, 0.14)
    )
    inside = np.clip((v - crest) * height / 1.5, 0, 1).astype(np.float32)
    return _mix(picture, grass, inside)


def _tree(picture: Plane, width: int, height: int) -> Plane:
    """Draw one tree standing on the meadow, its crown made of many lit tufts."""
    rng = np.random.default_rng(42)
    canvas = np.clip(picture, 0, 255).astype(np.uint8)
    foot = np.array([0.335 * width, 0.80 * height])
    shade = canvas.copy()
    cv2.ellipse(
        shade,
        (round(foot[0] - 0.05 * width), round(foot[1] + 0.008 * height)),
        (round(0.105 * width), round(0.018 * height)),
        0, 0, 360, (34, 42, 24), -1, cv2.LINE_AA,
    )  # fmt: skip
    canvas = cv2.addWeighted(canvas, 0.45, shade, 0.55, 0)
    trunk = np.array(
        [[-0.014, 0.0], [-0.007, -0.2], [-0.03, -0.36], [-0.022, -0.37], [0.0, -0.27], [0.03, -0.37],
         [0.037, -0.36], [0.009, -0.2], [0.016, 0.0]]
    )  # fmt: skip
    points = (foot + trunk * [width, height]).astype(np.int32)
    cv2.fillPoly(canvas, [points], (52, 40, 32), cv2.LINE_AA)
    centre = foot + [0.004 * width, -0.40 * height]
    spots = rng.normal(size=(2600, 2))
    spots /= np.maximum(1.0, np.linalg.norm(spots, axis=1, keepdims=True) / 1.25)
    turn = np.arctan2(spots[:, 1], spots[:, 0])
    lobes = 1.0 + 0.13 * np.sin(3 * turn + 0.8) + 0.10 * np.sin(5 * turn + 2.0)
    spots *= lobes[:, None]
    order = np.argsort(spots[:, 0] * 0.6 - spots[:, 1])
    for spot in spots[order]:
        at = centre + spot * [0.088 * width, 0.155 * height]
        lit = np.clip(0.42 + 0.34 * spot[0] - 0.30 * spot[1] + rng.normal() * 0.12, 0, 1)
        tone = _colour("#2b3a1e") + (_colour("#a9a14f") - _colour("#2b3a1e")) * float(lit)
        radius = round(rng.uniform(0.0035, 0.0085) * width)
        cv2.circle(canvas, (round(at[0]), round(at[1])), radius, tone.tolist(), -1, cv2.LINE_AA)
    return canvas.astype(np.float32)


def portrait(width: int = 1792, height: int = 1008) -> Pixels:
    """Return a face close to the lens, modelled and lit, before lights out of focus."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    unit = height
    u, v = (x - width / 2) / unit, (y - height * 0.47) / unit
    picture = _bokeh(width, height)
    coat = ((u / 0.62) ** 2 + ((v - 0.86) / 0.42) ** 2) < 1
    weave = 1 + 0.10 * np.sin(x * 0.9) * np.sin(y * 0.9) + 0.1 * fractal((height, width), 30, 4, 3)
    cloth = _mix(_colour("#27384a"), _colour("#5f7f93"), _ramp(u, -0.5, 0.5)) * weave[..., None]
    picture = _mix(picture, cloth, cv2.GaussianBlur(coat.astype(np.float32), (0, 0), 1.5))
    neck = (np.abs(u) < 0.135 + 0.25 * np.clip(v - 0.38, 0, 1) ** 2) & (v > 0.2) & (v < 0.56)
    skin_low = _mix(_colour("#6d4132"), _colour("#b57f62"), _ramp(u, -0.15, 0.15))
    picture = _mix(picture, skin_low, cv2.GaussianBlur(neck.astype(np.float32), (0, 0), 2))
    hair_back = ((u / 0.335) ** 2 + ((v + 0.07) / 0.40) ** 2) < 1
    strands = fractal((height, width), 90, 3, 9)
    hair = _mix(_colour("#1c1210"), _colour("#5b3a26"), np.clip(0.35 + 0.5 * strands + u, 0, 1))
    picture = _mix(picture, hair, cv2.GaussianBlur(hair_back.astype(np.float32), (0, 0), 2))
    picture = _face(picture, u, v)
    fringe = ((u + 0.03) / 0.285) ** 2 + ((v + 0.335) / 0.145) ** 2 < 1
    picture = _mix(picture, hair, cv2.GaussianBlur(fringe.astype(np.float32), (0, 0), 2.5))
    grain = np.random.default_rng(6).normal(0, 2.0, (height, width, 1)).astype(np.float32)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


def _bokeh(width: int, height: int) -> Plane:
    rng = np.random.default_rng(12)
    small = np.zeros((height // 2, width // 2, 3), np.float32)
    rows = np.linspace(0, 1, height // 2, dtype=np.float32)[:, None]
    small += _mix(_colour("#16202c"), _colour("#2c2a2c"), np.repeat(rows, width // 2, axis=1))
    tones = [_colour(c) for c in ("#ffb45e", "#ff7a4a", "#6fb6ff", "#ffe0a8", "#d65a7a")]
    for _ in range(70):
        disc = np.zeros((height // 2, width // 2), np.float32)
        at = (int(rng.uniform(0, width / 2)), int(rng.uniform(0, height / 2.6)))
        cv2.circle(disc, at, int(rng.uniform(8, 34)), 1.0, -1, cv2.LINE_AA)
        tone = tones[int(rng.integers(len(tones)))] * float(rng.uniform(0.10, 0.42))
        small += cv2.GaussianBlur(disc, (0, 0), 2)[..., None] * tone
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


def _face(picture: Plane, u: Plane, v: Plane) -> Plane:
    """Shade a head as a bumpy ellipsoid under one warm key light and a cool rim."""
    jaw = 0.265 - 0.075 * np.clip(v - 0.08, 0, 1) ** 1.3 * 4
    body = (u / np.maximum(jaw, 0.05)) ** 2 + (v / 0.385) ** 2
    inside = cv2.GaussianBlur((body < 1).astype(np.float32), (0, 0), 1.5)
    depth = 0.26 * np.sqrt(np.clip(1 - body, 0, 1))

    def bump(cx: float, cy: float, rx: float, ry: float, amount: float) -> Plane:
        return np.asarray(amount * np.exp(-(((u - cx) / rx) ** 2) - ((v - cy) / ry) ** 2))

    depth += bump(0, 0.05, 0.028, 0.10, 0.055) + bump(0, 0.115, 0.042, 0.032, 0.035)
    depth += bump(0, 0.205, 0.075, 0.022, 0.018) + bump(0, 0.235, 0.06, 0.02, 0.016)
    depth += bump(0, 0.325, 0.06, 0.04, 0.02)
    for side in (-1, 1):
        depth += bump(side * 0.105, -0.035, 0.06, 0.035, -0.030)
        depth += bump(side * 0.15, 0.09, 0.06, 0.05, 0.018)
        depth += bump(side * 0.10, -0.095, 0.075, 0.016, 0.014)
        depth += bump(side * 0.105, -0.03, 0.035, 0.022, 0.014)
    depth = cv2.GaussianBlur(depth.astype(np.float32), (0, 0), 5)
    scale = v.shape[0]
    dx = cv2.Sobel(depth, cv2.CV_32F, 1, 0, scale=scale / 8)
    dy = cv2.Sobel(depth, cv2.CV_32F, 0, 1, scale=scale / 8)
    norm = np.sqrt(dx * dx + dy * dy + 1)
    key = np.clip((dx * -0.62 + dy * 0.35 + 0.70) / norm, 0, 1)
    rim = np.clip((dx * 0.9 + 0.1) / norm, 0, 1) ** 3
    pores = 1 + 0.035 * fractal(v.shape, 160, 3, 17) + 0.05 * fractal(v.shape, 12, 3, 18)
    skin = (
        _mix(_colour("#5c3326"), _colour("#edbb98"), np.asarray(key, np.float32)) * pores[..., None]
    )
    skin += rim[..., None] * np.array([26, 44, 62], np.float32)
    for side in (-1, 1):
        skin = _eye(skin, u - side * 0.105, v + 0.032, -side)
        brow = np.exp(-(((v + 0.106 - 4.0 * (u - side * 0.10) ** 2) / 0.011) ** 2))
        reach = _ramp(-np.abs(u - side * 0.105), -0.082, -0.055)
        skin = _mix(skin, _colour("#2c1b14"), (brow * reach * 0.85).astype(np.float32))
    upper = np.exp(-(((v - 0.209 + 1.0 * u * u + 0.004 * np.cos(u * 60)) / 0.016) ** 2))
    lower = np.exp(-(((v - 0.236 + 1.0 * u * u) / 0.015) ** 2))
    mouth = _ramp(-np.abs(u), -0.088, -0.05)
    skin = _mix(
        skin, _colour("#a5514b"), (np.maximum(upper, lower) * mouth * 0.8).astype(np.float32)
    )
    line = np.exp(-(((v - 0.222 + 1.2 * u * u) / 0.0035) ** 2)) * mouth
    skin = _mix(skin, _colour("#431d1c"), (line * 0.9).astype(np.float32))
    for side in (-1, 1):
        hole = np.exp(-(((u - side * 0.022) / 0.011) ** 2) - ((v - 0.142) / 0.006) ** 2)
        skin = _mix(skin, _colour("#3a1d17"), (hole * 0.8).astype(np.float32))
    return _mix(picture, skin, inside)


def _eye(skin: Plane, u: Plane, v: Plane, inner: int) -> Plane:
    lid = 0.026 * (1 - (u / 0.058) ** 2)
    open_ = _ramp(lid - np.abs(v + 0.004 * inner * u / 0.05), 0.0, 0.003)
    white = _mix(_colour("#8f837c"), _colour("#e9e4dd"), _ramp(-np.abs(u), -0.06, -0.01))
    ball = np.hypot(u, v)
    iris = _mix(white, _colour("#47617a"), _ramp(-ball, -0.0235, -0.0215))
    iris = _mix(iris, _colour("#0c0c10"), _ramp(-ball, -0.0105, -0.009))
    glint = np.hypot(u + 0.008, v + 0.009)
    iris = _mix(iris, _colour("#ffffff"), _ramp(-glint, -0.005, -0.003))
    skin = _mix(skin, iris, open_)
    lash = np.exp(-(((v + lid + 0.001) / 0.005) ** 2)) * _ramp(-np.abs(u), -0.062, -0.05)
    return _mix(skin, _colour("#22130f"), (lash * 0.9).astype(np.float32))


def architecture(width: int = 1792, height: int = 1008) -> Pixels:
    """Return a long vaulted hall seen along its middle, columns on both sides, light at its end."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    rx, ry = (x - width / 2) / height * 1.25, (y - height * 0.53) / height * 1.25
    floor, roof, side = 0.55, 1.15, 1.35
    far = np.full_like(rx, 26.0)
    kind = np.zeros(rx.shape, np.int8)
    planes = (
        (1, np.where(ry > 1e-4, floor / np.maximum(ry, 1e-4), 99)),
        (2, np.where(ry < -1e-4, roof / np.maximum(-ry, 1e-4), 99)),
        (3, np.where(np.abs(rx) > 1e-4, side / np.maximum(np.abs(rx), 1e-4), 99)),
    )
    for name, reach in planes:
        nearer = reach < far
        far, kind = np.where(nearer, reach, far), np.where(nearer, name, kind)
    far = far.astype(np.float32)
    px, py = rx * far, ry * far
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = _colour("#ffe7bd")
    tiles = ((np.floor(px * 1.6) + np.floor(far * 1.6)) % 2).astype(np.float32)
    seam = np.minimum(np.abs((px * 1.6) % 1 - 0.5), np.abs((far * 1.6) % 1 - 0.5))
    stone = fractal(rx.shape, 60, 4, 51)
    ground = _mix(_colour("#6d5f55"), _colour("#b8a68f"), tiles) * (1 + 0.10 * stone[..., None])
    ground *= (0.75 + 0.25 * _ramp(0.5 - seam, 0.0, 0.03))[..., None]
    picture = np.where((kind == 1)[..., None], ground, picture)
    coffer = np.maximum(np.abs((px * 1.1) % 1 - 0.5), np.abs((far * 1.1) % 1 - 0.5))
    vault = _mix(_colour("#4c4440"), _colour("#96836c"), _ramp(coffer, 0.36, 0.40))
    picture = np.where((kind == 2)[..., None], vault, picture)
    picture = np.where((kind == 3)[..., None], _arcade(py, far, stone), picture)
    air = _ramp(far, 3.0, 26.0)
    picture = _columns(picture, rx, ry, far, floor, roof)
    picture = _mix(picture, _colour("#ffe2b4"), air * 0.85 * (kind > 0))
    shine = np.exp(-((rx / 0.35) ** 2) - ((ry - 0.05) / 0.30) ** 2).astype(np.float32)
    picture = _mix(picture, _colour("#fff4dc"), shine * 0.45)
    edge = 1 - 0.35 * np.clip(np.hypot(rx * 0.8, ry) - 0.3, 0, 1)
    grain = np.random.default_rng(7).normal(0, 2.0, (height, width, 1)).astype(np.float32)
    return np.clip(picture * edge[..., None] + grain, 0, 255).astype(np.uint8)


def _arcade(py: Plane, far: Plane, stone: Plane) -> Plane:
    """Return walls of brick with a tall lit arch in every bay."""
    bay = (far * 0.62) % 1 - 0.5
    row = np.floor(py * 9)
    brick = ((far * 4 + 0.5 * (row % 2)) % 1 < 0.06) | ((py * 9) % 1 < 0.10)
    wall = (
        _colour("#a98e72") * (1 + 0.12 * stone[..., None]) * np.where(brick, 0.80, 1.0)[..., None]
    )
    arch = np.where(py < -0.25, np.hypot(bay / 0.26, (py + 0.25) / 0.5), np.abs(bay) / 0.26)
    opening = (1 - _ramp(arch, 0.96, 1.0)) * (py < 0.34)
    light = _mix(_colour("#7fa2bd"), _colour("#e9f0ee"), _ramp(-py, -0.4, 0.6))
    frame = _ramp(arch, 0.9, 1.0) * (1 - _ramp(arch, 1.1, 1.2)) * (py < 0.34)
    wall = _mix(wall, _colour("#d9c4a3"), frame.astype(np.float32) * 0.8)
    return _mix(wall, light, opening.astype(np.float32))


def _columns(picture: Plane, rx: Plane, ry: Plane, far: Plane, floor: float, roof: float) -> Plane:
    """Draw round columns in two rows, the farthest first, each lit from the hall's end."""
    tall = rx.shape[0]
    for place in range(14, 0, -1):
        depth = 0.55 + place * 1.45
        for sign in (-1, 1):
            middle, half = sign * 0.86 / depth, 0.105 / depth
            across = (rx - middle) / half
            low, high = floor / depth, -roof / depth
            shaft = (np.abs(across) < 1) & (ry < low) & (ry > high)
            base = (np.abs(across) < 1.45) & (ry < low) & (ry > low - 0.09 / depth)
            head = (np.abs(across) < 1.5) & (ry > high) & (ry < high + 0.13 / depth)
            body = shaft | base | head
            round_ = np.sqrt(np.clip(1 - np.clip(np.abs(across), 0, 1) ** 2, 0, 1))
            lit = 0.25 + 0.55 * round_ + 0.22 * np.clip(-across * sign, -1, 1)
            flute = 1 - 0.10 * (np.abs(np.sin(np.arcsin(np.clip(across, -1, 1)) * 9)) < 0.35)
            tone = _mix(
                _colour("#3d302a"), _colour("#e6cfa9"), np.clip(lit, 0, 1).astype(np.float32)
            )
            tone = tone * flute[..., None]
            fog = float(np.clip((depth - 3.0) / 23.0, 0, 1) ** 1.2) * 0.9
            tone = tone + (_colour("#ffe2b4") - tone) * fog
            cover = cv2.GaussianBlur(body.astype(np.float32), (0, 0), max(0.6, tall / 1600))
            picture = _mix(picture, tone, cover * (far > depth - 0.2))
    return picture
