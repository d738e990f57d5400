import { rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Device } from "./device.ts";

export interface DeviceLockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once when another process holds the device. @param holder its id */
  readonly onWait?: (holder: number) => void;
  /** Default: `lockAddress` of the device. */
  readonly address?: string;
}

/** Before another try, where a holder has just ended or is about to answer. */
const PAUSE_MS = 100;

/**
 * Runs `work` while no other search of this machine uses the device: they would take each other's memory and time. The
 * lock is an address that one process at a time can listen at; the operating system gives it back however that process
 * ends. Who waits is connected to the holder, and so hears at once that it has ended.
 * @param work is told whether it had to wait
 * @throws the signal's reason when it is aborted while waiting
 */
export async function withDeviceLock<T>(
  device: Device,
  work: (hasWaited: boolean) => Promise<T>,
  { signal, onWait, address = lockAddress(device) }: DeviceLockOptions = {},
): Promise<T> {
  let told = onWait;
  for (let hasWaited = false; ; hasWaited = true) {
    signal?.throwIfAborted();
    const held = await listen(address);
    if (held) {
      try {
        return await work(hasWaited);
      } finally {
        await held.release();
      }
    }
    await holderEnds(address, signal, (holder) => {
      told?.(holder);
      told = undefined;
    });
    await sleep(PAUSE_MS, undefined, { signal }).catch(() => undefined);
  }
}

/**
 * The address of the card that a device stands for. CUDA can be told which one (`CUDA_VISIBLE_DEVICES`); all else uses the
 * first, which is the same as CUDA's on most machines.
 */
export function lockAddress(device: Device, { env = process.env, platform = process.platform } = {}): string {
  const visible = device === "cuda" ? env["CUDA_VISIBLE_DEVICES"]?.split(",")[0]?.trim() : undefined;
  const name = `alsatian-gpu-${(visible || "0").replace(/[^\w-]/g, "_")}`;
  if (platform === "linux") return `\0${name}`; // of no file, so nothing is ever left behind
  return platform === "win32" ? `\\\\.\\pipe\\${name}` : join(tmpdir(), `${name}.sock`);
}

interface Held {
  release(): Promise<void>;
}

/** @returns null when another listens there */
function listen(address: string): Promise<Held | null> {
  const waiting = new Set<Socket>();
  const server: Server = createServer((socket) => {
    waiting.add(socket);
    socket.on("error", () => undefined); // who waited is gone
    socket.on("close", () => waiting.delete(socket));
    socket.write(String(process.pid));
  });
  const release = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of waiting) socket.destroy();
    await closed;
  };
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      if (cause.code === "EADDRINUSE") resolve(null);
      else reject(cause);
    });
    server.listen(address, () => resolve({ release }));
  });
}

/** Resolves when who listens there has ended, or does not answer. */
async function holderEnds(
  address: string,
  signal: AbortSignal | undefined,
  onHolder: (holder: number) => void,
): Promise<void> {
  const socket = connect(address);
  const stop = (): void => void socket.destroy();
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const code = await new Promise<string | undefined>((resolve) => {
      socket.once("data", (id) => onHolder(Number(id.toString())));
      socket.once("error", (cause: NodeJS.ErrnoException) => resolve(cause.code));
      socket.once("close", () => resolve(undefined));
    });
    // where addresses are files, one of a process that was killed stays behind
    if (code === "ECONNREFUSED" && !address.startsWith("\0")) await rm(address, { force: true });
  } finally {
    signal?.removeEventListener("abort", stop);
    socket.destroy();
  }
}
