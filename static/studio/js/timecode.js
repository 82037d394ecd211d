// A moment cut to hundredths, as the server's timecode is: 0:03.79.
export function timecode(seconds) {
  const hundredths = Math.max(0, Math.floor(seconds * 100 + 1e-6));
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  return `${Math.floor(hundredths / 6000)}:${two((hundredths / 100) % 60)}.${two(hundredths % 100)}`;
}
