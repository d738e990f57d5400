import { readFileSync } from "node:fs";
import { z } from "zod";
import { packageFile } from "./package-file.ts";

const packageSchema = z.object({ name: z.string(), version: z.string() });

/** How this program names itself to a hub: its name and version from package.json, and the Node it runs on. */
export function userAgent(): string {
  const { name, version } = packageSchema.parse(JSON.parse(readFileSync(packageFile("package.json"), "utf8")));
  return `${name}/${version}; node/${process.versions.node}`;
}
