import { CRAWL_COUNTS, type CrawlRecord } from "./catalog/records.ts";

/**
 * A crawl in Prometheus' text format (version 0.0.4), for a collector that reads files: a monitor sees from it when the
 * last crawl went well, and what the latest one did.
 * @param lastSuccess when a crawl last ended that was not stopped and did not fail
 */
export function formatMetrics(crawl: CrawlRecord, lastSuccess: string | null): string {
  const isSuccess = crawl.outcome === "done" || crawl.outcome === "partly";
  return [
    gauge("started_timestamp_seconds", "When the latest crawl began.", [["", seconds(crawl.startedAt)]]),
    gauge("finished_timestamp_seconds", "When the latest crawl ended.", [["", seconds(crawl.finishedAt)]]),
    gauge("last_success_timestamp_seconds", "When a crawl last went well.", [["", seconds(lastSuccess)]]),
    gauge("success", "Whether the latest crawl went well; single models may have failed.", [["", Number(isSuccess)]]),
    gauge("outcome", "How the latest crawl ended.", [[`{outcome="${crawl.outcome}"}`, 1]]),
    gauge("requests", "Requests of the latest crawl.", [["", crawl.requests]]),
    gauge("retries", "Requests that were sent again.", [["", crawl.retries]]),
    gauge(
      "bytes",
      "Bytes that came over the wire, that were new to the store, and of all backbones that were read.",
      Object.entries(crawl.bytes).map(([kind, bytes]) => [`{kind="${kind}"}`, bytes]),
    ),
    gauge(
      "models",
      "Models by what became of them.",
      CRAWL_COUNTS.map((count) => [`{outcome="${count}"}`, crawl.models[count]]),
    ),
    gauge("waiting_models", "Models that are listed and still to be read.", [["", crawl.waiting]]),
  ].join("");
}

type Sample = readonly [labels: string, value: number];

const gauge = (name: string, help: string, samples: readonly Sample[]): string =>
  [
    `# HELP alsatian_crawl_${name} ${help}`,
    `# TYPE alsatian_crawl_${name} gauge`,
    ...samples.map(([labels, value]) => `alsatian_crawl_${name}${labels} ${value}`),
    "",
  ].join("\n");

/** A time as Prometheus has it; 0 for one that has not been. */
const seconds = (time: string | null): number => (time === null ? 0 : Date.parse(time) / 1000);
