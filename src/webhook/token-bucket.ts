/** At most `requests` in `per` milliseconds, evenly spread; after a rest up to `burst` of them at once. */
export interface RateLimit {
  readonly requests: number
  readonly per: number
  readonly burst: number
}

/**
 * A bucket of `burst` tokens that gains one every `per / requests` milliseconds. Its only state is when it will be
 * full, so rounding never adds up.
 */
export interface TokenBucket {
  readonly fullAt: number
}

export const FULL_BUCKET: TokenBucket = Object.freeze({ fullAt: Number.NEGATIVE_INFINITY })

/** Takes a token: `wait` is 0, or the milliseconds until there is one, and then none was taken. Pure. */
export function takeToken(
  bucket: TokenBucket,
  limit: RateLimit,
  now: number,
): { readonly bucket: TokenBucket; readonly wait: number } {
  const gain = limit.per / limit.requests
  const fullAt = Math.max(bucket.fullAt, now)
  const wait = fullAt - now - (limit.burst - 1) * gain
  return wait > 0 ? { bucket, wait } : { bucket: { fullAt: fullAt + gain }, wait: 0 }
}
