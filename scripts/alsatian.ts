#!/usr/bin/env node
import "./native-memory.ts";

// Behind it, also where modules are put into one file: imports of a file come first, whatever stands before them.
await import("./command-line.ts");
