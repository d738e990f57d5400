import { withDeviceLock } from "../../search/device/device-lock.ts";

/** A process that takes the lock of a device, tells of it, and gives it back when it is asked to. */
const address = JSON.parse(process.argv[2] ?? "") as string;
const tell = (message: string): void => void process.send?.(message);
await withDeviceLock(
  "cuda",
  (hasWaited) => {
    tell(hasWaited ? "held at last" : "held");
    return new Promise<void>((resolve) => process.once("message", () => resolve()));
  },
  { address, onWait: (holder) => tell(`waits for ${holder}`) },
);
tell("given back");
process.disconnect();
