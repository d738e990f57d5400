import { InputError } from "../../crawler/errors.ts";

/** Lists are given as `a,b` or as `a b`. */
const split = (values: readonly (string | number)[]): string[] =>
  values.flatMap((value) => String(value).split(",")).filter((value) => value !== "");

/** yargs' settings of an option that takes a list. */
export const list = { type: "string", array: true, coerce: split } as const;

/** @throws InputError naming the option, for a value that is not known */
export function pick<T extends string>(option: string, values: readonly string[], known: readonly T[]): T[] {
  return values.map((value) => {
    const found = known.find((name) => name === value);
    if (found === undefined) throw new InputError(`${option}: expected some of ${known.join(", ")}, got ${value}`);
    return found;
  });
}

/** @throws InputError naming the option, for anything but a whole number of at least `least` */
export function whole(option: string, value: number | string, least: number): number {
  const number = Number(value);
  if (Number.isSafeInteger(number) && number >= least) return number;
  throw new InputError(`${option}: expected a whole number of at least ${least}, got ${value}`);
}
