import type { LocalHub } from "../../crawler/local-hub/start-local-hub.ts";
import { crawlArguments, MAX_RUN_MS, type Reference } from "./crawl-undisturbed.ts";
import type { FaultCount } from "./fault-count.ts";
import { makeFault, placeOf } from "./random-fault.ts";
import type { Random } from "./random.ts";
import { faultsFor, type Mode } from "./reading-modes.ts";
import { SoakedCommand } from "./soaked-command.ts";

/** How a crawl ended: `finished` in spite of all, `failed` with a message. */
export type RunEnd = "killed" | "interrupted" | "no-room" | "failed" | "finished";

/** One request in so many goes wrong, and more where a fault has never been served. */
const FAULT_EVERY = 6;
const FAULT_EVERY_WHERE_MISSING = 3;
/** Of a file, in a run that is short of room: its catalog and larger blocks do not fit. */
const ROOM_KIB: readonly [number, ...number[]] = [64, 300, 600, 1200, 2400];
/** Crawls are killed within so many requests: a home takes several crawls until it has everything. */
const MAX_REQUESTS = 30;

/** A crawl that is to be disturbed. */
export interface Disturbance {
  readonly home: string;
  readonly hub: LocalHub;
  readonly mode: Mode;
  readonly random: Random;
  readonly faults: FaultCount;
}

/** One crawl in which things go wrong, and which is killed or interrupted after some requests or some time. */
export async function crawlDisturbed(options: Disturbance & { readonly reference: Reference }): Promise<RunEnd> {
  const { home, hub, mode, random, reference, faults } = options;
  hub.requests.length = 0;
  const signal = random.below(6) === 0 ? "SIGTERM" : "SIGKILL";
  const room = random.below(8) === 0 ? random.pick(ROOM_KIB) : undefined;
  const atRequest = random.below(4) > 0 ? 1 + random.below(MAX_REQUESTS) : Infinity;
  const afterMs = Math.ceil(random.next() * reference.milliseconds);
  const command = new SoakedCommand(crawlArguments(home, hub, mode), room);
  hub.faults.splice(0, hub.faults.length, {
    match: () => true,
    fault: (request) => {
      if (hub.requests.length >= atRequest) command.kill(signal);
      const isMissing = faults.isMissing(placeOf(request));
      if (random.below(isMissing ? FAULT_EVERY_WHERE_MISSING : FAULT_EVERY) > 0) return undefined;
      const name = faults.draw(request, faultsFor(mode, request), random);
      return name && makeFault(name, request, random);
    },
  });
  const timer = setTimeout(() => command.kill(signal), atRequest === Infinity ? afterMs : MAX_RUN_MS);
  const end = await endOf(command, room);
  clearTimeout(timer);
  faults.settle();
  return end;
}

/** One crawl that meets every fault that has not been served yet, as far as it gets, and none else. */
export async function crawlMissingFaults({ home, hub, mode, random, faults }: Disturbance): Promise<RunEnd> {
  hub.requests.length = 0;
  const command = new SoakedCommand(crawlArguments(home, hub, mode));
  hub.faults.splice(0, hub.faults.length, {
    match: () => true,
    fault: (request) => {
      const name = faults.drawMissing(request, faultsFor(mode, request), random);
      return name && makeFault(name, request, random);
    },
  });
  const timer = setTimeout(() => command.kill("SIGKILL"), MAX_RUN_MS);
  const end = await endOf(command, undefined);
  clearTimeout(timer);
  faults.settle();
  if (end === "killed") throw new Error(`a crawl hangs: ${command.said}`);
  return end;
}

/** @throws when a crawl ended as none may end */
async function endOf(command: SoakedCommand, room: number | undefined): Promise<RunEnd> {
  const code = await command.ended;
  if (command.signal === "SIGKILL") return "killed";
  if (command.signal === "SIGTERM") return "interrupted"; // before the command listened to it
  if (code === null || ![0, 1, 2, 3, 130].includes(code)) throw new Error(`crawl ended with ${code}: ${command.said}`);
  if (/internal error|unhandled|UnhandledPromise/i.test(command.said)) throw new Error(command.said);
  if (code === 0 || code === 3) return "finished";
  return code === 130 ? "interrupted" : room !== undefined && code === 1 ? "no-room" : "failed";
}
