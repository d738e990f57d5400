import { InputError } from "../errors.ts";

/** The hub cannot be reached at all: a wrong address, no network, or nothing that listens. */
export class HubUnreachableError extends InputError {
  override name = "HubUnreachableError";
}

/** The hub refuses the token itself, whatever is asked with it. */
export class HubTokenError extends InputError {
  override name = "HubTokenError";
}

/** One of the hub's limits is reached, and its reset is too far away to wait for it. */
export class HubLimitError extends Error {
  override name = "HubLimitError";
  /** What the hub counts apart: `api` or `resolvers`. */
  readonly bucket: string;
  readonly resetsAt: Date;

  constructor(message: string, bucket: string, resetsAt: Date, options?: ErrorOptions) {
    super(message, options);
    this.bucket = bucket;
    this.resetsAt = resetsAt;
  }
}

/** An answer of the hub that is not what was asked for. */
export class HubError extends Error {
  override name = "HubError";
  readonly status: number;
  /** The hub's `X-Error-Code`, such as RepoNotFound or GatedRepo; empty when it gave none. */
  readonly code: string;

  constructor(message: string, status: number, code: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
    this.code = code;
  }

  get isGated(): boolean {
    return this.code === "GatedRepo";
  }

  /** Gone or private: without a right token the hub answers 401 for what does not exist. */
  get isRepositoryMissing(): boolean {
    return this.code === "RepoNotFound";
  }
}
