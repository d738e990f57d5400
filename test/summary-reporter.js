/** Ends a test run with one plain line that scripts can read: "N passed, N failed, N skipped". */
export default class SummaryReporter {
  onTestRunEnd(modules, errors) {
    const count = { passed: 0, failed: errors.length, skipped: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        count[state === "passed" || state === "skipped" ? state : "failed"]++;
      }
      if (module.state() === "failed" && [...module.children.allTests()].length === 0) count.failed++;
    }
    this.line = `${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`;
    process.on("exit", () => console.log(this.line));
  }
}
