import { InputError } from "../errors.ts";

/** The hub cannot be reached at all: a wrong address, no network, or nothing that listens. */
export class HubUnreachableError extends InputError {
  override name = "HubUnreachableError";
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

  /** Gone, renamed or private: without a right token the hub answers 401 for what does not exist. */
  get isMissing(): boolean {
    return (
      this.code === "RepoNotFound" || this.code === "RevisionNotFound" || this.status === 404 || this.status === 401
    );
  }
}
