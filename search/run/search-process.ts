import { Lanes } from "./lanes.ts";

// The process of inference. Its lanes start first: they take as long to start as this thread takes to import the rest.
const lanes = new Lanes(Number(process.argv[2]));
void import("./serve-plans.ts").then(({ servePlans }) => servePlans(lanes));
