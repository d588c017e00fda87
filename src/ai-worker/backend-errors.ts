/** The attempt is not, or no longer, this worker's: the document is gone or somebody else has it. */
export class AttemptLostError extends Error {
  override readonly name = 'AttemptLostError';
}

/** The backend did not answer, or can't just now. */
export class BackendError extends Error {
  override readonly name = 'BackendError';
}

/** The backend refuses what this worker sends, and would again: a mistake of ours, or another token. */
export class ContractError extends Error {
  override readonly name = 'ContractError';
  readonly code = 'CONTRACT_BROKEN';
}

/** This worker can't work for the backend: another model, or a version that is too far away. The message says what to do. */
export class DisagreementError extends Error {
  override readonly name = 'DisagreementError';
  readonly code = 'INCOMPATIBLE';
}
