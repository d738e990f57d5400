import { defineConfig } from "vitest/config";

// Tests run as built JavaScript, because worker threads load built files (see CONTRIBUTING.md).
export default defineConfig({
  test: {
    include: ["dist/**/*.spec.js"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    pool: "forks",
    reporters: ["default", "./test/summary-reporter.js"],
  },
});
