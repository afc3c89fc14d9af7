/** One entry of the attempt history. */
export interface Attempt {
  /** RFC 3339, by the database's clock. */
  readonly at: string
  /** The name of the worker. */
  readonly worker: string
  /** Text of the error. */
  readonly error: string
}
