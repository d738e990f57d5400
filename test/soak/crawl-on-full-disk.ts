import type { LocalHub } from "../../crawler/local-hub/start-local-hub.ts";
import { crawlArguments, crawlUndisturbed, type Reference } from "./crawl-undisturbed.ts";
import { differences } from "./home-content.ts";
import { openSmallDisk } from "./small-disk.ts";
import { SoakedCommand } from "./soaked-command.ts";

/** MiB of the smallest disk, and by how much it grows whenever it was full: work file, snapshot and blocks are some 20. */
const DISK_MIB = 2;
const DISK_STEP_MIB = 4;

/**
 * Crawls on a disk that is too small and grows, until all fits. Each crawl before must end and say why.
 * @returns null where there is no such disk to be had
 */
export async function crawlOnFullDisk(
  home: string,
  hub: LocalHub,
  reference: Reference,
): Promise<{ readonly times: number; readonly differences: string[] } | null> {
  await using disk = await openSmallDisk(home, DISK_MIB);
  if (!disk) return null;
  hub.faults.length = 0;
  for (let times = 0; ; times++) {
    const command = new SoakedCommand(crawlArguments(home, hub, "whole"));
    const code = await command.ended;
    if (code === 3) {
      await disk.grow(DISK_MIB + (times + 10) * DISK_STEP_MIB); // the comparison needs room of its own
      const { content } = await crawlUndisturbed(home, hub, "whole");
      return { times, differences: differences(content, reference.content) };
    }
    if (code !== 1 || !/no space|ENOSPC/i.test(command.said)) {
      throw new Error(`on a full disk the crawl ended with ${code}: ${command.said}`);
    }
    await disk.grow(DISK_MIB + (times + 1) * DISK_STEP_MIB);
  }
}
