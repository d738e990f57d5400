import { printableText } from "../../crawler/printable-text.ts";

/** Where a command's words go: results to stdout, everything else to stderr. */
export interface Output {
  readonly isJson: boolean;
  /** Whether bars may be drawn. */
  readonly showProgress: boolean;
  /** A line of the result, for people; nothing with `--json`. */
  print(text: string): void;
  /** The one JSON document of `--json`. */
  json(value: unknown): void;
  /** A line about what is going on; nothing with `--quiet`. */
  log(text: string): void;
}

export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly progress: boolean;
}

/** Begins a line anew, over what a bar has drawn there. */
const CLEAR_LINE = "\r\u001b[2K";

export function createOutput({ json, quiet, progress }: OutputOptions): Output {
  const lineStart = process.stderr.isTTY ? CLEAR_LINE : "";
  return {
    isJson: json,
    showProgress: progress && !quiet && process.stderr.isTTY === true,
    print: (text) => {
      if (!json) process.stdout.write(`${printableLines(text)}\n`);
    },
    json: (value) => {
      if (json) process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
    },
    log: (text) => {
      if (!quiet) process.stderr.write(`${lineStart}${printableLines(text)}\n`);
    },
  };
}

/** Lines in which names of a hub or a file cannot steer the terminal. */
export const printableLines = (text: string): string => text.split("\n").map(printableText).join("\n");
