import type { HubSettingsInput } from "../../crawler/local-hub/start-local-hub.ts";
import { makeFamilyMember } from "../hub/make-family.ts";
import { makeHubFolder, type HubFolderFixture } from "../hub/make-hub-folder.ts";

export const BASE = "acme/vit-tiny";
/** The account that crawls; it may not read everything. */
export const TOKEN = "hf_soak";
const CLOSED = "zoo/vit-tiny-closed";

/**
 * A family with a fine-tune of every kind: another head, another last layer, all weights, the same file, a tune of a
 * tune, one that is gated, one of another architecture, and one whose weights lie.
 */
export function makeSoakHub(): Promise<HubFolderFixture> {
  const tune = (seeds: Parameters<typeof makeFamilyMember>[0], baseModel = BASE) =>
    makeFamilyMember(seeds, { baseModel }).files;
  const card = `---\nbase_model: ${BASE}\n---\n`;
  const repositories = {
    [BASE]: makeFamilyMember({}).files,
    "zoo/vit-tiny-head": tune({ head: 2 }),
    "zoo/vit-tiny-layer": tune({ lastLayer: 3, head: 3 }),
    "zoo/vit-tiny-again": tune({ lastLayer: 4, head: 4 }, "zoo/vit-tiny-layer"),
    "zoo/vit-tiny-own": tune({ backbone: 5 }),
    "zoo/vit-tiny-copy": tune({ head: 2 }),
    [CLOSED]: tune({ head: 6 }),
    "zoo/vit-tiny-odd": { "README.md": card, "config.json": JSON.stringify({ model_type: "no-such-type" }) },
    "zoo/vit-tiny-lies": { ...tune({ head: 7 }), "model.safetensors": Buffer.alloc(4000, 0xff) },
  };
  const settings: HubSettingsInput = {
    repositories: Object.fromEntries(
      Object.keys(repositories).map((id, day) => [
        id,
        {
          lastModified: `2026-01-${String(day + 1).padStart(2, "0")}T00:00:00.000Z`,
          createdAt: "2025-12-01T00:00:00.000Z",
          downloads: 10 * day,
          ...(id === CLOSED && { gated: "manual" as const }),
        },
      ]),
    ),
    tokens: { [TOKEN]: { name: "soak" } },
  };
  return makeHubFolder(repositories, settings);
}
