import { fork, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { access } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { lockAddress, withDeviceLock } from "./device-lock.ts";

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** A process that wants a device, and what it says about that, one after the other. */
function start(address: string) {
  const holder = fileURLToPath(new URL("../../test/device/hold-device.js", import.meta.url));
  const child = fork(holder, [JSON.stringify(address)]); // which may begin with a zero, as no argument may
  children.push(child);
  const said: string[] = [];
  const waiting: ((message: string) => void)[] = [];
  child.on("message", (message) => {
    const next = waiting.shift();
    if (next) next(String(message));
    else said.push(String(message));
  });
  const next = (): Promise<string> => {
    const known = said.shift();
    return known === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(known);
  };
  return { child, next };
}

const ownCard = (): string => lockAddress("cuda", { env: { CUDA_VISIBLE_DEVICES: `GPU-${randomUUID()}` } });

describe("withDeviceLock", () => {
  it("lets a second process wait until the first is done, and tells it for whom", async () => {
    const address = ownCard();
    const first = start(address);
    expect(await first.next()).toBe("held");
    const second = start(address);
    expect(await second.next()).toBe(`waits for ${first.child.pid}`);
    first.child.send("go on");
    expect(await first.next()).toBe("given back");
    expect(await second.next()).toBe("held at last");
  });

  it("is free again when its process was killed", async () => {
    const address = ownCard();
    const first = start(address);
    expect(await first.next()).toBe("held");
    const second = start(address);
    expect(await second.next()).toBe(`waits for ${first.child.pid}`);
    first.child.kill("SIGKILL");
    expect(await second.next()).toBe("held at last");
  });

  it.skipIf(process.platform === "win32")("takes over a file that a killed process has left behind", async () => {
    const address = join(tmpdir(), `alsatian-${randomUUID()}.sock`);
    const first = start(address);
    expect(await first.next()).toBe("held");
    first.child.kill("SIGKILL");
    await once(first.child, "exit");
    await access(address);
    expect(await withDeviceLock("cuda", () => Promise.resolve("done"), { address })).toBe("done");
  });

  it("gives up waiting when it is told to", async () => {
    const address = ownCard();
    const first = start(address);
    expect(await first.next()).toBe("held");
    const stop = new AbortController();
    const onWait = (): void => stop.abort(new Error("interrupted"));
    const waiting = withDeviceLock("cuda", () => Promise.resolve(), { address, signal: stop.signal, onWait });
    await expect(waiting).rejects.toThrow("interrupted");
  });

  it("gives the device back when the work fails", async () => {
    const address = ownCard();
    await expect(withDeviceLock("cuda", () => Promise.reject(new Error("no")), { address })).rejects.toThrow("no");
    expect(await withDeviceLock("cuda", (hasWaited) => Promise.resolve(hasWaited), { address })).toBe(false);
  });

  it("knows cards apart that CUDA is told to use, and else one card by all names", () => {
    const of = (visible: string | undefined, platform: NodeJS.Platform = "linux") =>
      lockAddress("cuda", { env: { CUDA_VISIBLE_DEVICES: visible }, platform });
    expect(of("1,0")).not.toBe(of("0,1"));
    expect(of(undefined)).toBe(of("0"));
    expect(of("")).toBe(of("0"));
    expect(lockAddress("webgpu", { env: { CUDA_VISIBLE_DEVICES: "3" }, platform: "linux" })).toBe(of("0"));
    expect(of("../../x", "darwin")).toBe(join(tmpdir(), "alsatian-gpu-______x.sock"));
    expect(of("0", "win32")).toBe("\\\\.\\pipe\\alsatian-gpu-0");
  });
});
