import { indexFolder } from "./index-folder.ts";

// A process of its own, so that its largest resident set is that of indexing and of nothing else.
const [folder, home] = process.argv.slice(2);
if (folder === undefined || home === undefined) throw new Error("expected a model folder and a home");
const start = performance.now();
const cpuBefore = process.cpuUsage();
const newBlocks = await indexFolder(folder, home);
const seconds = (performance.now() - start) / 1000;
const { user, system } = process.cpuUsage(cpuBefore);
/** maxRSS is in kibibytes on every system (libuv). */
const peakRssBytes = process.resourceUsage().maxRSS * 1024;
process.send?.({ newBlocks, seconds, cpuSeconds: (user + system) / 1e6, peakRssBytes }, () => process.disconnect());
