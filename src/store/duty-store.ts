/** What one worker at a time does for all, such as the clean-up, each under its name: a lease by the database's clock. */
export interface DutyStore {
  /**
   * Takes the duty for `lease` ms from the database's now, where nobody has it or the lease of who had it is over, or extends our own.
   * False: another holder has it.
   */
  take(duty: string, holder: string, lease: number): Promise<boolean>
  /** Gives it back where it is still this holder's. */
  giveBack(duty: string, holder: string): Promise<void>
}
