import { defineConfig } from "vitest/config";

// Tests run as built JavaScript, because worker threads load built files (see CONTRIBUTING.md).
export default defineConfig({
  test: {
    include: ["dist/**/*.spec.js"],
    // ends what hangs; a machine that is busy with other work takes ten times as long as a quiet one
    testTimeout: 600_000,
    hookTimeout: 600_000,
    maxWorkers: 2,
    pool: "forks",
    reporters: ["default", "./test/summary-reporter.js"],
  },
});
