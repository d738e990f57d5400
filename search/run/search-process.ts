import { setFlagsFromString } from "node:v8";
import { Lanes } from "./lanes.ts";

// The process of inference. All its cores are at work: a thread that collects garbage together with threads of V8's own waits
// until those get one. (Were V8 started with the flag, it would compile Node's own code anew.)
setFlagsFromString("--no-parallel-scavenge");
// lanes start first: they take as long to start as this thread takes to import the rest
const lanes = new Lanes(Number(process.argv[2]));
void import("./serve-plans.ts").then(({ servePlans }) => servePlans(lanes));
