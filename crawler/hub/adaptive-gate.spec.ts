import { describe, expect, it } from "vitest";
import { AdaptiveGate } from "./adaptive-gate.ts";

const all = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);

describe("AdaptiveGate", () => {
  it("lets so many through at a time, the others in their order", async () => {
    const gate = new AdaptiveGate(2);
    const order: number[] = [];
    const passes = [0, 1, 2, 3].map((number) =>
      gate.enter().then((pass) => {
        order.push(number);
        return pass;
      }),
    );
    await Promise.all(passes.slice(0, 2));
    expect(order).toEqual([0, 1]);
    gate.leave({ era: 0 }, true);
    await passes[2];
    expect(order).toEqual([0, 1, 2]);
    gate.leave({ era: 0 }, true);
    await passes[3];
    expect(order).toEqual([0, 1, 2, 3]);
  });

  it("halves once for requests that were under way together, and never below one", async () => {
    const gate = new AdaptiveGate(8);
    const passes = await Promise.all(all(8, () => gate.enter()));
    for (const pass of passes) gate.leave(pass, false);
    expect(gate.limit).toBe(4);
    for (let i = 0; i < 10; i++) gate.leave(await gate.enter(), false);
    expect(gate.limit).toBe(1);
  });

  it("grows by about one a full round, up to what it began with", async () => {
    const gate = new AdaptiveGate(4);
    gate.leave(await gate.enter(), false);
    expect(gate.limit).toBe(2);
    for (let i = 0; i < 3; i++) gate.leave(await gate.enter(), true);
    expect(gate.limit).toBe(3);
    for (let i = 0; i < 100; i++) gate.leave(await gate.enter(), true);
    expect(gate.limit).toBe(4);
  });

  it("forgets who gives up waiting", async () => {
    const gate = new AdaptiveGate(1);
    const first = await gate.enter();
    const impatient = new AbortController();
    const given = gate.enter(impatient.signal);
    const patient = gate.enter();
    impatient.abort(new Error("enough"));
    await expect(given).rejects.toThrow("enough");
    gate.leave(first, true);
    gate.leave(await patient, true);
    await expect(gate.enter()).resolves.toEqual({ era: 0 });
  });
});
