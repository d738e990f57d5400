import { parentPort, type TransferListItem } from "node:worker_threads";
import type { Answer, Envelope } from "./thread.ts";

/** Answers the jobs of a `Thread`, one after the other. @param transfer buffers that go back with an answer */
export function answerJobs<Job, Result>(
  work: (job: Job) => Result | Promise<Result>,
  transfer: (result: Result) => readonly TransferListItem[] = () => [],
): void {
  const port = parentPort;
  if (!port) throw new Error("this module runs in a thread");
  let last = Promise.resolve();
  port.on("message", ({ id, content }: Envelope<Job>) => {
    last = last.then(async () => {
      try {
        const value = await work(content);
        port.postMessage({ id, content: { value } } satisfies Answer<Result>, transfer(value));
      } catch (cause) {
        const error = cause instanceof Error ? cause : new Error(String(cause));
        port.postMessage({ id, content: { error } } satisfies Answer<Result>);
      }
    });
  });
}
