import type { LoggedRequest } from "../../crawler/local-hub/start-local-hub.ts";
import { formatTable } from "../../scripts/terminal/table.ts";
import { FAULT_NAMES, PLACES, placeOf, possibleFaults, type FaultName, type Place } from "./random-fault.ts";
import type { Random } from "./random.ts";

/** Counts which faults were served where, and draws those more often that were served less. */
export class FaultCount {
  readonly #served = new Map<string, number>();
  readonly #drawn: { readonly request: LoggedRequest; readonly place: Place; readonly name: FaultName }[] = [];

  /** One of the faults that a request may have; every second time the one that was drawn least. */
  draw(request: LoggedRequest, names: readonly FaultName[], random: Random): FaultName | undefined {
    const place = placeOf(request);
    const isFree = random.below(2) === 0;
    const least = Math.min(...names.map((name) => this.#soFar(place, name)));
    const choice = isFree ? names : names.filter((name) => this.#soFar(place, name) === least);
    const name = choice[random.below(choice.length)];
    if (name !== undefined) this.#drawn.push({ request, place, name });
    return name;
  }

  /** One of the faults that a request may have and that was never drawn or served where it goes; undefined without any. */
  drawMissing(request: LoggedRequest, names: readonly FaultName[], random: Random): FaultName | undefined {
    const place = placeOf(request);
    const choice = names.filter((name) => this.#soFar(place, name) === 0);
    const name = choice[random.below(choice.length)];
    if (name !== undefined) this.#drawn.push({ request, place, name });
    return name;
  }

  /** To be called when a crawl has ended: counts what its drawn faults have changed. */
  settle(): void {
    for (const { request, place, name } of this.#drawn.splice(0)) {
      if (request.isFaulty) this.#served.set(`${place} ${name}`, this.served(place, name) + 1);
    }
  }

  served(place: Place, name: FaultName): number {
    return this.#served.get(`${place} ${name}`) ?? 0;
  }

  #soFar(place: Place, name: FaultName): number {
    const under = this.#drawn.filter((drawn) => drawn.place === place && drawn.name === name);
    return this.served(place, name) + under.length;
  }

  get total(): number {
    return [...this.#served.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Every fault that a place can have and has not had: `cas cut`. */
  missing(): string[] {
    return PLACES.flatMap((place) => this.#missingAt(place).map((name) => `${place} ${name}`));
  }

  isMissing(place: Place): boolean {
    return this.#missingAt(place).length > 0;
  }

  #missingAt(place: Place): FaultName[] {
    return possibleFaults(place).filter((name) => this.served(place, name) === 0);
  }

  /** A line a fault, a column a place; empty where that cannot be. */
  format(): string {
    return formatTable(
      ["fault", ...PLACES].map((title) => ({ title, isNumber: title !== "fault" })),
      FAULT_NAMES.map((name) => [
        name,
        ...PLACES.map((place) => (possibleFaults(place).includes(name) ? String(this.served(place, name)) : "")),
      ]),
    );
  }
}
