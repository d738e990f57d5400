import { randomInt } from "node:crypto";
import yargs from "yargs";
import { soak } from "./soak.ts";

/** `npm run soak -- --kills 100`: what CONTRIBUTING.md describes. */
const { kills, perHome, seed } = await yargs(process.argv.slice(2))
  .scriptName("soak")
  .option("kills", { type: "number", default: 100, describe: "crawls to kill" })
  .option("per-home", { type: "number", default: 10, describe: "of these, how many of one home" })
  .option("seed", { type: "number", default: randomInt(2 ** 31), describe: "of all that is left to chance" })
  .strict()
  .parseAsync();

process.stdout.write(`seed ${seed}\n`);
const report = await soak({
  seed,
  kills,
  killsPerHome: perHome,
  fullDisk: true,
  everyFault: true,
  log: (line) => void process.stderr.write(`${line}\n`),
});
const { faults, ...rest } = report;
process.stdout.write(`${JSON.stringify({ seed, ...rest, served: faults.total }, null, 2)}\n`);
process.stdout.write(`${faults.format()}\n`);
process.exitCode = report.problems.length > 0 ? 1 : 0;
