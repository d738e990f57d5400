import { spawn } from "node:child_process";
import { once } from "node:events";
import { packageFile } from "../../crawler/package-file.ts";
import { TOKEN } from "./soak-hub.ts";

/** The command as a user runs it, in a process of its own. */
export class SoakedCommand {
  /** The exit code; null of one that a signal ended. */
  readonly ended: Promise<number | null>;
  /** What it said last. */
  said = "";
  signal: NodeJS.Signals | null = null;
  readonly #child;

  /** @param room KiB that a file may have at most, in place of a disk that is full */
  constructor(args: readonly string[], room?: number) {
    const { HF_ENDPOINT: _endpoint, ALSATIAN_HOME: _home, ...env } = process.env;
    const run = [process.execPath, packageFile("dist", "bin", "alsatian.js"), ...args];
    const limited = ["bash", "-c", 'trap "" XFSZ; ulimit -f "$0"; exec "$@"', String(room), ...run];
    const [program = "", ...rest] = room === undefined ? run : limited;
    this.#child = spawn(program, rest, {
      env: { ...env, HF_TOKEN: TOKEN, HF_HOME: "/nonexistent", ALSATIAN_STALL_SECONDS: "2" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => (this.said = (this.said + text).slice(-4000)));
    }
    this.ended = once(this.#child, "close").then(([code, signal]: (number | NodeJS.Signals | null)[]) => {
      this.signal = typeof signal === "string" ? signal : null;
      return typeof code === "number" ? code : null;
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}
