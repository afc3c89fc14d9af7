/**
 * What deletes settled events when their time is over: no business of the relay's, and each store's own, by rows or by
 * partitions.
 */
export interface RetentionStore {
  /**
   * Deletes published events older than `publishedFor` ms and failed or cancelled ones older than `failedFor` ms
   * (null = keep), at most `limit` rows a call. Returns how many it deleted.
   */
  purge(options: {
    readonly publishedFor: number | null
    readonly failedFor: number | null
    readonly limit: number
  }): Promise<number>
}
