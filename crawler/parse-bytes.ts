import { InputError } from "./errors.ts";

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/**
 * An amount of bytes as people write it: `4GB`, `512 MiB`, `1000`.
 * @param option names the option in the error
 */
export function parseBytes(text: string, option: string): number {
  const [, digits, unit] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text) ?? [];
  const factor = UNITS[(unit ?? "?").toLowerCase()];
  const bytes = Math.floor(Number(digits) * (factor ?? NaN));
  if (!Number.isSafeInteger(bytes) || bytes <= 0) {
    throw new InputError(`${option}: expected an amount of bytes such as 4GB or 512MiB, got ${JSON.stringify(text)}`);
  }
  return bytes;
}
