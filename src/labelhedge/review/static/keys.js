// Which key it is, whatever the layout: Caps Lock changes nothing, and where the layout has no Latin letters the place of
// the key counts.

export function keyOf(event) {
  const place = /^Key([A-Z])$/.exec(event.code)?.[1].toLowerCase();
  const unnamed = event.key === "Process" || event.key === "Unidentified"; // an input method is at work
  if (event.key.length > 1 && !unnamed) return event.key; // Enter, ArrowLeft
  const key = event.key.toLowerCase();
  return place && (unnamed || key.charCodeAt(0) > 127) ? place : key;
}
