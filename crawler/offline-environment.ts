/**
 * The environment of a process of Node that opens no connection. The certificates that NODE_EXTRA_CA_CERTS names are read at
 * every start: with those of a system, that takes three times as long as all else.
 */
export function offlineEnvironment(): NodeJS.ProcessEnv {
  const environment = { ...process.env };
  delete environment["NODE_EXTRA_CA_CERTS"];
  return environment;
}
