import { afterEach, expect, it, vi } from "vitest";
import { offlineEnvironment } from "./offline-environment.ts";

afterEach(() => vi.unstubAllEnvs());

it("is this process's environment but for the certificates that Node would read", () => {
  vi.stubEnv("NODE_EXTRA_CA_CERTS", "/etc/ssl/certs/some.pem");
  vi.stubEnv("HF_HOME", "/somewhere");
  const environment = offlineEnvironment();
  expect(environment).not.toHaveProperty("NODE_EXTRA_CA_CERTS");
  expect(environment["HF_HOME"]).toBe("/somewhere");
  expect(process.env["NODE_EXTRA_CA_CERTS"]).toBe("/etc/ssl/certs/some.pem");
});
