const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** Bytes for people, in decimal units: 1500 -> "1.5 kB". */
export function formatBytes(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value >= 100 || unit === 0 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2)} ${UNITS[unit]}`;
}
