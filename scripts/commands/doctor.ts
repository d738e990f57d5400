import { cpus, freemem, totalmem } from "node:os";
import { access, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { InputError } from "../../crawler/errors.ts";
import { formatBytes } from "../../crawler/format-bytes.ts";
import { createHubClient } from "../../crawler/hub/hub-client.ts";
import { loadToken, parseHubUrl } from "../../crawler/hub/hub-settings.ts";
import { openCatalogReader } from "../../indexer/catalog/catalog-reader.ts";
import { formatTable } from "../terminal/table.ts";
import { EXIT, type Command, type CommandContext } from "./common.ts";
import { deviceFindings } from "./device-findings.ts";
import type { Finding } from "./finding.ts";

export const doctorCommand: Command<object> = {
  command: "doctor",
  describe: "what this machine has: devices, memory, the hub, the catalog",
  builder: (yargs) => yargs,
  async handler(_argv, context) {
    const findings = [
      machine(),
      await disk(context),
      ...(await deviceFindings(context.signal)),
      await hub(context),
      await catalog(context),
    ];
    context.output.json({ findings });
    context.output.print(
      formatTable(
        [{ title: "" }, { title: "what" }, { title: "found" }],
        findings.map(({ what, ok, found }) => [ok ? "ok" : "no", what, found]),
      ),
    );
    for (const { what, advice } of findings) if (advice !== undefined) context.output.print(`\n${what}: ${advice}`);
    return EXIT.done;
  },
};

const machine = (): Finding => ({
  what: "machine",
  ok: true,
  found: `Node ${process.versions.node} on ${process.platform} ${process.arch}, ${cpus().length} cores, ${formatBytes(totalmem())} of memory (${formatBytes(freemem())} free)`,
});

async function disk({ home }: CommandContext): Promise<Finding> {
  let folder = home;
  while (
    !(await access(folder).then(
      () => true,
      () => false,
    ))
  )
    folder = dirname(folder);
  const { bavail, bsize } = await statfs(folder);
  return { what: "home", ok: true, found: `${home}, ${formatBytes(bavail * bsize)} free` };
}

async function hub({ hub: option, signal }: CommandContext): Promise<Finding> {
  if (option === "sample") return { what: "hub", ok: true, found: "the sample hub that ships, offline" };
  const url = parseHubUrl(option);
  const token = await loadToken();
  const client = createHubClient({ url, token }, { retry: { tries: 1, firstWaitMs: 0, maxWaitMs: 0 }, stallMs: 5000 });
  const who = token === null ? "no token" : "with a token";
  try {
    const { response } = await client.request(`${url}/api/models?limit=1`, { signal });
    await response.body?.cancel();
    return { what: "hub", ok: true, found: `${url} answers (${who})` };
  } catch (cause) {
    return { what: "hub", ok: false, found: cause instanceof Error ? cause.message : String(cause) };
  } finally {
    await client.close();
  }
}

async function catalog({ home }: CommandContext): Promise<Finding> {
  try {
    const reader = await openCatalogReader(home);
    try {
      const families = await reader.families();
      const indexed = families.reduce((sum, family) => sum + family.indexed, 0);
      const word = families.length === 1 ? "family" : "families";
      return { what: "catalog", ok: true, found: `${indexed} models of ${families.length} ${word} indexed` };
    } finally {
      reader.close();
    }
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    return { what: "catalog", ok: false, found: cause.message };
  }
}
