import { Account } from "../plan/account.ts";
import { rangeLength, type Plan, type Step } from "../plan/step.ts";
import type { FeatureScore, Runner } from "./runner.ts";

/** Performs nothing, but checks what a real runner relies on, and keeps the byte account. */
export class DryRunner implements Runner {
  readonly account = new Account();
  readonly seconds = { data: 0, load: 0, inference: 0, proxy: 0 };
  readonly #slots = new Map<string, number>();
  readonly #loaded = new Set<string>();
  readonly #scores = new Map<string, readonly string[]>();

  perform(step: Step, plan: Plan): Promise<FeatureScore | null> {
    this.account.book(step);
    switch (step.kind) {
      case "load":
        expect(plan.segments[step.segment] !== undefined, `segment ${step.segment} is in the plan`);
        expect(!this.#loaded.has(step.segment), `segment ${step.segment} is not loaded yet`);
        this.#loaded.add(step.segment);
        break;
      case "unload":
        expect(this.#loaded.delete(step.segment), `segment ${step.segment} is loaded`);
        break;
      case "run":
        expect(this.#loaded.has(step.segment), `segment ${step.segment} is loaded`);
        expect(this.#slots.get(step.from) === rangeLength(step.items), `${step.from} holds the items`);
        this.#write(step.to, rangeLength(step.items));
        break;
      case "input":
        this.#write(step.to, rangeLength(step.items));
        break;
      case "keep":
        expect(this.#slots.has(step.from), `${step.from} holds a feature`);
        break;
      case "release":
        expect(this.#slots.delete(step.slot), `${step.slot} holds a result`);
        break;
      case "score":
        expect(!this.#scores.has(step.feature), `feature ${step.feature} is not being scored`);
        this.#scores.set(step.feature, step.models);
        break;
      case "scored": {
        const models = this.#scores.get(step.feature);
        expect(this.#scores.delete(step.feature), `feature ${step.feature} is being scored`);
        return Promise.resolve({ feature: step.feature, models: models ?? [], score: 0 });
      }
    }
    return Promise.resolve(null);
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#slots.clear();
    this.#loaded.clear();
    this.#scores.clear();
    const { host, device } = this.account.live;
    this.account.free(host, "host");
    this.account.free(device, "device");
    return Promise.resolve();
  }

  #write(slot: string, items: number): void {
    expect(!this.#slots.has(slot), `${slot} is empty`);
    this.#slots.set(slot, items);
  }
}

function expect(holds: boolean, what: string): void {
  if (!holds) throw new Error(`the plan is wrong: expected that ${what}`);
}
