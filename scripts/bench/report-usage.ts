import { writeFileSync } from "node:fs";

// Loaded before a command (`node --import`): writes what its process took when it ends.
const target = process.env.ALSATIAN_BENCH_USAGE;
process.on("exit", () => {
  if (target === undefined) return;
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  // maxRSS is in kibibytes on every system (libuv), times in microseconds
  writeFileSync(
    target,
    JSON.stringify({ peakRssBytes: maxRSS * 1024, cpuSeconds: (userCPUTime + systemCPUTime) / 1e6 }),
  );
});
