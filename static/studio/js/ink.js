// Shapes over a frame, as SVG: coordinates from 0 to 1 of the picture, whose size is the viewBox,
// so that they sit where they were drawn at any size and beside any black bars.
const NS = "http://www.w3.org/2000/svg";
const HEAD = 0.035; // an arrow's head, of the longer side

export const size = (ink) => ({ width: ink.viewBox.baseVal.width, height: ink.viewBox.baseVal.height });

export function node(name, attributes) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

export function drawn(shape, { width, height }) {
  const at = shape.points.map(([x, y]) => [x * width, y * height]);
  const [[x1, y1], [x2, y2]] = [at[0], at.at(-1)];
  const css = { class: `ink-${shape.colour}` };
  if (shape.kind === "box") return node("rect", { ...css, x: Math.min(x1, x2), y: Math.min(y1, y2), width: Math.abs(x2 - x1), height: Math.abs(y2 - y1) });
  if (shape.kind === "ellipse") return node("ellipse", { ...css, cx: (x1 + x2) / 2, cy: (y1 + y2) / 2, rx: Math.abs(x2 - x1) / 2, ry: Math.abs(y2 - y1) / 2 });
  if (shape.kind === "arrow") {
    const turn = Math.atan2(y2 - y1, x2 - x1);
    const length = Math.min(HEAD * Math.max(width, height), Math.hypot(x2 - x1, y2 - y1) / 2);
    const barb = (by) => `${x2 - length * Math.cos(turn + by)} ${y2 - length * Math.sin(turn + by)}`;
    return node("path", { ...css, d: `M${x1} ${y1}L${x2} ${y2}M${barb(0.5)}L${x2} ${y2}L${barb(-0.5)}` });
  }
  // A line through the middles of its points, so that a hand's corners come out round.
  let d = `M${x1} ${y1}`;
  for (let i = 1; i < at.length - 1; i += 1) d += `Q${at[i][0]} ${at[i][1]} ${(at[i][0] + at[i + 1][0]) / 2} ${(at[i][1] + at[i + 1][1]) / 2}`;
  return node("path", { ...css, d: `${d}L${x2} ${y2}` });
}

// Leaves out points that lie within `slack` of the line between those that stay.
export function thinned(points, slack) {
  if (points.length < 3) return points;
  const [[ax, ay], [bx, by]] = [points[0], points.at(-1)];
  const length = Math.hypot(bx - ax, by - ay);
  let most = 0;
  let at = 0;
  for (let i = 1; i < points.length - 1; i += 1) {
    const [x, y] = points[i];
    const off = length ? Math.abs((bx - ax) * (ay - y) - (ax - x) * (by - ay)) / length : Math.hypot(x - ax, y - ay);
    if (off > most) [most, at] = [off, i];
  }
  if (most <= slack) return [points[0], points.at(-1)];
  return [...thinned(points.slice(0, at + 1), slack).slice(0, -1), ...thinned(points.slice(at), slack)];
}
