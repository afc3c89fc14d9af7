type MsgHdrs = import('@nats-io/transport-node').MsgHdrs

/** The headers of a message, or why the client cannot read them. */
export interface ReadHeaders {
  readonly pairs: readonly (readonly [string, string])[]
  readonly problem?: unknown
}

/** The client reads headers when they are asked for, and throws for what another one has written: one of `a b`, say. */
export function readHeaders(message: { readonly headers?: MsgHdrs | undefined }): ReadHeaders {
  try {
    const pairs = Array.from(message.headers ?? []).flatMap(([name, values]) =>
      values.map((value): [string, string] => [name, value]),
    )
    return { pairs }
  } catch (problem) {
    return { pairs: [], problem }
  }
}
