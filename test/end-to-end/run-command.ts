import { spawn } from "node:child_process";
import { packageFile } from "../../crawler/package-file.ts";

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunCommandOptions {
  /** Called with all that stderr and stdout have said so far; may kill the process. */
  readonly onOutput?: (output: string, kill: (signal: NodeJS.Signals) => void) => void;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the built command as a user would, in a process of its own and without a token. */
export function runCommand(args: readonly string[], options: RunCommandOptions = {}): Promise<CommandResult> {
  const { HF_TOKEN: _token, HF_ENDPOINT: _endpoint, ALSATIAN_HOME: _home, ...env } = process.env;
  const child = spawn(process.execPath, [packageFile("dist", "bin", "alsatian.js"), ...args], {
    env: { ...env, HF_HOME: "/nonexistent", ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  const heard = () => options.onOutput?.(stdout + stderr, (signal) => child.kill(signal));
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    heard();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    heard();
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** Runs a command with `--json` and parses what it prints. @param codes exit codes that are right */
export async function runJson(args: readonly string[], codes: readonly number[] = [0]): Promise<unknown> {
  const { code, stdout, stderr } = await runCommand([...args, "--json"]);
  if (!codes.includes(code ?? -1)) throw new Error(`exit code ${code}: ${stderr}`);
  return JSON.parse(stdout);
}
