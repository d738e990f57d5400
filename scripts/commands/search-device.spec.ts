import { describe, expect, it } from "vitest";
import { InputError } from "../../crawler/errors.ts";
import { failedProbe, type DeviceProbe } from "../../search/device/device-probe.ts";
import type { FindDeviceOptions, FoundDevice } from "../../search/device/find-device.ts";
import type { withDeviceLock } from "../../search/device/device-lock.ts";
import { withDevice, type SearchDevice } from "./search-device.ts";

const CARD: DeviceProbe = {
  ...failedProbe("cuda", "", null),
  ...{ works: true, reason: null, name: "NVIDIA L4", memory: { totalBytes: 24e9, freeBytes: 20e9 } },
};
const CPU: DeviceProbe = { ...failedProbe("cpu", "", null), works: true, reason: null };
const NONE = failedProbe("webgpu", "no card", null);

const PRECISION = { precision: "fp32" } as const;

/** A command's context that keeps what is logged. */
function makeContext() {
  const lines: string[] = [];
  const log = (line: string): void => void lines.push(line);
  const output = { isJson: false, showProgress: false, print: log, json: () => undefined, log };
  return { lines, context: { output, signal: new AbortController().signal } };
}

const finds =
  (probe: DeviceProbe, others: readonly DeviceProbe[] = []) =>
  (): Promise<FoundDevice> =>
    Promise.resolve({
      ...{ probe, probes: [probe, ...others] },
      others: others.map(({ device, reason }) => ({ device, reason: reason ?? "slower" })),
    });

describe("withDevice", () => {
  it("gives the CPU no budget of its own, and no list where it was named", async () => {
    const { context, lines } = makeContext();
    const answer = await withDevice({ ...PRECISION, device: "cpu" }, context, (ask) => ask(), { find: finds(CPU) });
    expect(answer).toMatchObject({
      device: "cpu",
      adapter: undefined,
      deviceBudgetBytes: undefined,
      devices: undefined,
    });
    expect(lines).toEqual(["device: cpu"]);
  });

  it("lists all that was tried for auto", async () => {
    const { context } = makeContext();
    const { devices } = await withDevice({ ...PRECISION, device: "auto" }, context, (ask) => ask(), {
      find: finds(CPU, [NONE]),
    });
    expect(devices).toEqual([
      { device: "cpu", works: true, reason: null },
      { device: "webgpu", works: false, reason: "no card" },
    ]);
  });

  it("takes a share of the card's memory, and says so once", async () => {
    const { context, lines } = makeContext();
    const work = async (ask: () => Promise<{ deviceBudgetBytes: number | undefined }>) => [await ask(), await ask()];
    const [first, second] = await withDevice({ ...PRECISION, device: "cuda" }, context, work, { find: finds(CARD) });
    expect(first).toMatchObject({ device: "cuda", adapter: "cuda (NVIDIA L4)", deviceBudgetBytes: 16e9 });
    expect(second).toBe(first);
    expect(lines).toEqual(["device: cuda (NVIDIA L4)", expect.stringMatching(/^device budget 16\.0 GB/)]);
  });

  it.each([
    ["cpu", "1GB", /no memory of its own/],
    ["auto", "lots", /expected an amount of bytes/],
    ["cuda", "25GB", /has 24\.0 GB of memory/],
  ] as const)("refuses --device %s --device-budget %s", async (device, deviceBudget, message) => {
    const { context } = makeContext();
    const refused = withDevice({ ...PRECISION, device, deviceBudget }, context, (ask) => ask(), { find: finds(CARD) });
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toBeInstanceOf(InputError);
  });

  it.each([
    ["all that is free by then, where another search had to end first", undefined, 19.2e9],
    ["what the user says, whoever had the card before", "1GB", 1e9],
  ])("gives a search %s", async (_what, deviceBudget, expected) => {
    const { context, lines } = makeContext();
    const memory = { totalBytes: 24e9, freeBytes: 5e9 };
    let frees = 0;
    const find = () => finds({ ...CARD, memory: frees++ === 0 ? memory : { ...memory, freeBytes: 24e9 } })();
    const lock: typeof withDeviceLock = (_device, work, { onWait } = {}) => {
      onWait?.(4711);
      return work(true);
    };
    const got = await withDevice(
      { ...PRECISION, device: "cuda", deviceBudget },
      context,
      async (ask) => (await ask()).hold((bytes) => Promise.resolve(bytes)),
      { find, lock },
    );
    expect(got).toBe(expected);
    expect(lines).toContain("cuda (NVIDIA L4) is in use by another search (process 4711); waiting");
  });

  it("locks the device that was chosen, and nothing for the CPU", async () => {
    const locked: string[] = [];
    const lock: typeof withDeviceLock = (device, work) => {
      locked.push(device);
      return work(false);
    };
    for (const probe of [CARD, CPU]) {
      const { context } = makeContext();
      const work = async (ask: () => Promise<SearchDevice>) => (await ask()).hold((bytes) => Promise.resolve(bytes));
      const bytes = await withDevice({ ...PRECISION, device: "auto" }, context, work, { find: finds(probe), lock });
      expect(bytes).toBe(probe === CARD ? 16e9 : undefined);
    }
    expect(locked).toEqual(["cuda"]);
  });

  it("stops trying devices when the work fails, and tells of the work", async () => {
    const { context } = makeContext();
    let isStopped = false;
    const find = (_asked: string, { signal }: FindDeviceOptions = {}) =>
      new Promise<FoundDevice>((_resolve, reject) =>
        signal?.addEventListener("abort", () => {
          isStopped = true;
          reject(new Error("stopped"));
        }),
      );
    const work = () => Promise.reject(new Error("the data set is not there"));
    await expect(withDevice({ ...PRECISION, device: "auto" }, context, work, { find })).rejects.toThrow(
      "the data set is not there",
    );
    expect(isStopped).toBe(true);
  });

  it("tells of a device that does not work where the work asks for it", async () => {
    const { context } = makeContext();
    const find = () => Promise.reject(new InputError("--device cuda: no card"));
    const work = async (ask: () => Promise<unknown>) => {
      await new Promise((resolve) => setImmediate(resolve));
      return ask();
    };
    await expect(withDevice({ ...PRECISION, device: "cuda" }, context, work, { find })).rejects.toThrow(
      "--device cuda: no card",
    );
  });
});
