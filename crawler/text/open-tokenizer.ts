import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { CheckpointError } from "../errors.ts";
import { offlineEnvironment } from "../offline-environment.ts";
import type { TextPreprocessing } from "./text-preprocessing.ts";

/** Turns texts into ids, special tokens included, cut to the model's length. */
export interface TextTokenizer {
  /** Ids of each text, in order. @throws CheckpointError when the tokenizer makes no sense */
  encode(texts: readonly string[]): Promise<readonly Int32Array[]>;
  close(): void;
}

export type TokenizerRequest =
  | ({ readonly kind: "open"; readonly path: string } & Pick<TextPreprocessing, "maxTokens" | "cutSide">)
  | { readonly kind: "encode"; readonly texts: readonly string[] };

export type TokenizerReply = { readonly ids: readonly Int32Array[] } | { readonly problem: string };

const PROCESS = fileURLToPath(new URL("./tokenizer-process.js", import.meta.url));

/**
 * Opens a tokenizer with the library that transformers uses too (Hugging Face's tokenizers, in Rust), so that ids are
 * equal by construction. It runs in a process of its own, which a bad tokenizer may end.
 * @param path of a tokenizer.json
 * @throws CheckpointError when the library cannot read it
 */
export async function openTokenizer(
  path: string,
  { maxTokens, cutSide }: Pick<TextPreprocessing, "maxTokens" | "cutSide">,
  signal?: AbortSignal,
): Promise<TextTokenizer> {
  signal?.throwIfAborted();
  const child = fork(PROCESS, {
    serialization: "advanced",
    execArgv: [],
    env: offlineEnvironment(),
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  const close = (): void => void child.kill("SIGKILL");
  signal?.addEventListener("abort", close, { once: true });
  child.once("exit", () => signal?.removeEventListener("abort", close));
  const ask = async (request: TokenizerRequest): Promise<readonly Int32Array[]> => {
    const reply = await exchange(child, request);
    signal?.throwIfAborted();
    if ("problem" in reply) throw new CheckpointError(`the tokenizer cannot be read: ${reply.problem}`);
    return reply.ids;
  };
  try {
    await ask({ kind: "open", path, maxTokens, cutSide });
  } catch (cause) {
    close();
    throw cause;
  }
  return { encode: (texts) => ask({ kind: "encode", texts }), close };
}

/** One request at a time. */
function exchange(child: ChildProcess, request: TokenizerRequest): Promise<TokenizerReply> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null, by: string | null): void => {
      child.off("message", onMessage).off("error", reject);
      resolve({ problem: `the library that reads it gave up (${by ?? `exit code ${code ?? "unknown"}`})` });
    };
    const onMessage = (reply: TokenizerReply): void => {
      child.off("exit", onExit).off("error", reject);
      resolve(reply);
    };
    child.once("exit", onExit);
    child.once("message", onMessage);
    child.once("error", reject); // the process cannot be started
    if (child.exitCode !== null || child.signalCode !== null) onExit(child.exitCode, child.signalCode);
    else child.send(request, () => undefined); // a process that has just ended says so by its exit
  });
}
