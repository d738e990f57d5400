import type { LocalHub } from "../../crawler/local-hub/start-local-hub.ts";
import { homeContent, type HomeContent } from "./home-content.ts";
import { MODES, type Mode } from "./reading-modes.ts";
import { BASE } from "./soak-hub.ts";
import { SoakedCommand } from "./soaked-command.ts";

/** A crawl that takes longer hangs. */
export const MAX_RUN_MS = 300_000;

/** A crawl without faults: what its home holds, and how long it takes. */
export interface Reference {
  readonly content: HomeContent;
  readonly milliseconds: number;
}

/** Lets a crawl finish, checks the whole store and removes what no model needs. @throws when one of it fails */
export async function crawlUndisturbed(home: string, hub: LocalHub, mode: Mode): Promise<Reference> {
  hub.faults.length = 0;
  const start = Date.now();
  await expectEnd(crawlArguments(home, hub, mode), 3); // some models are as they should not be
  const milliseconds = Date.now() - start;
  await expectEnd(["index", "--verify", "--gc", "--home", home], 0);
  return { content: await homeContent(home, hub.url), milliseconds };
}

async function expectEnd(args: readonly string[], code: number): Promise<void> {
  const command = new SoakedCommand(args);
  const timer = setTimeout(() => command.kill("SIGKILL"), MAX_RUN_MS);
  const ended = await command.ended;
  clearTimeout(timer);
  if (ended !== code) throw new Error(`${args.join(" ")}: exit code ${ended}, expected ${code}: ${command.said}`);
}

export const crawlArguments = (home: string, hub: LocalHub, mode: Mode): string[] => [
  ...["crawl", "--family", BASE, "--hub", hub.url, "--home", home, "--no-progress", "--concurrency", "3"],
  ...MODES[mode].args,
];
