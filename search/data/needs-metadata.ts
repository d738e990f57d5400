/** JPEG markers that stand alone, without a length. */
const isAlone = (marker: number): boolean => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7);
/** Start-of-frame markers; those left out in between mean something else. */
const isFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;

/**
 * Whether a picture may have more than 8 bits a value or four inks, which are decoded in a way of their own. Its first
 * bytes tell, and cost a tenth of what asking the decoder does; in doubt, yes.
 */
export function needsMetadata(bytes: Uint8Array): boolean {
  if (bytes[0] === 0x89) return bytes[24] !== undefined && bytes[24] > 8; // PNG: bit depth in IHDR
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return jpegComponents(bytes) !== 3 && jpegComponents(bytes) !== 1;
  return true;
}

/** How many components the frame of a JPEG has, or null when there is no frame where one is expected. */
function jpegComponents(bytes: Uint8Array): number | null {
  let at = 2;
  while (at + 9 < bytes.length) {
    if (bytes[at] !== 0xff) return null;
    const marker = bytes[at + 1] ?? 0;
    if (isFrame(marker)) return bytes[at + 9] ?? null;
    if (marker === 0xff) at += 1;
    else if (isAlone(marker)) at += 2;
    else at += 2 + ((bytes[at + 2] ?? 0) << 8) + (bytes[at + 3] ?? 0);
  }
  return null;
}
